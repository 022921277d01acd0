"""The fault laboratory: faults of real-time connections made for real on one machine, and what Heartline says of them."""
