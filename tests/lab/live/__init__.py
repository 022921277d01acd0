"""Faults between real clients and real services, with a running gateway between them whose findings are judged."""
