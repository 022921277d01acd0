"""Small databases in MaxMind's format 2.0 (https://maxmind.github.io/MaxMind-DB/), made up for tests."""

import ipaddress
import struct


def database(countries, flat=False):
    """The bytes of one that has {network: code of a country}; `flat` ones have the code beside nothing else."""
    nodes, data = [[None, None]], b""
    for network, code in countries.items():
        network, node = ipaddress.ip_network(network), 0
        bits = [int(network.network_address) >> 31 - depth & 1 for depth in range(network.prefixlen)]
        for bit in bits[:-1]:
            if nodes[node][bit] is None:
                nodes[node][bit] = len(nodes)
                nodes.append([None, None])
            node = nodes[node][bit]
        nodes[node][bits[-1]] = ("data", len(data))
        data += value({"country_code": code} if flat else {"country": {"iso_code": code}})
    tree = b""
    for branch in (branch for node in nodes for branch in node):
        number = len(nodes) if branch is None else branch if isinstance(branch, int) else len(nodes) + 16 + branch[1]
        tree += struct.pack(">I", number)
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + value({
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": b"\x08\x02" + struct.pack(">Q", 1),
        "database_type": "Test", "description": {}, "ip_version": 4, "languages": [],
        "node_count": b"\xc4" + struct.pack(">I", len(nodes)), "record_size": 32,
    })


def value(this):
    """Maps, lists, texts, numbers of 16 bits, and what is encoded."""
    if isinstance(this, dict):
        return bytes([0xE0 | len(this)]) + b"".join(value(key) + value(one) for key, one in this.items())
    if isinstance(this, list):
        return bytes([len(this), 4]) + b"".join(value(one) for one in this)
    if isinstance(this, str):
        return bytes([0x40 | len(this)]) + this.encode()
    return this if isinstance(this, bytes) else b"\xa2" + struct.pack(">H", this)
