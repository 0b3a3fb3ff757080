# SPDX-License-Identifier: Apache-2.0
"""Ethernet frames by hand, for what no honest IP stack would send."""

import ipaddress
import struct

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
IPV4, ARP, IPV6, VLAN = 0x0800, 0x0806, 0x86DD, 0x8100
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def ether(src: str, dst: str, kind: int, payload: bytes) -> bytes:
    return mac_bytes(dst) + mac_bytes(src) + struct.pack(">H", kind) + payload


def ip(src: str, dst: str, proto: int, payload: bytes,
       options: bytes = b"", fragment: int = 0) -> tuple[int, bytes]:
    """An IPv4 or IPv6 packet with its ethertype. `options`, `fragment`: v4."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if a.version == 6:
        return IPV6, struct.pack(">IHBB", 6 << 28, len(payload), proto,
                                 64) + a.packed + b.packed + payload
    words = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0,
                       4 * words + len(payload), 1, fragment, 64, proto,
                       0) + a.packed + b.packed + options
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return IPV4, head + payload


def sealed(src: str, dst: str, proto: int, data: bytes, at: int) -> bytes:
    """`data` with the transport checksum put at byte `at`."""
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    pseudo = b"" if proto == ICMP else a + b + struct.pack(
        ">II", len(data), proto)
    value = checksum(pseudo + data)
    return data[:at] + struct.pack(">H", value) + data[at + 2:]


def echo_request(src: str, dst: str) -> tuple[int, bytes]:
    proto, kind = (ICMPV6, 128) if ":" in src else (ICMP, 8)
    data = struct.pack(">BBHHH", kind, 0, 0, 7, 1) + b"cloison!"
    return ip(src, dst, proto, sealed(src, dst, proto, data, 2))


def udp(src: str, dst: str, port: int) -> tuple[int, bytes]:
    data = struct.pack(">HHHH", 40000, port, 9, 0) + b"?"
    return ip(src, dst, UDP, sealed(src, dst, UDP, data, 6))


def tcp(src: str, dst: str, port: int, flags: int = 2) -> tuple[int, bytes]:
    """A bare segment, by default a SYN."""
    data = struct.pack(">HHIIBBHHH", 40000, port, 1, 0, 5 << 4, flags, 64240,
                       0, 0)
    return ip(src, dst, TCP, sealed(src, dst, TCP, data, 16))


def arp(src_mac: str, src: str, dst: str, reply_to: str = "") -> bytes:
    """Who has `dst`? Or, with reply_to (a MAC), `src` is at src_mac."""
    operation = 2 if reply_to else 1
    target = reply_to or "00:00:00:00:00:00"
    body = (struct.pack(">HHBBH", 1, IPV4, 6, 4, operation)
            + mac_bytes(src_mac) + ipaddress.ip_address(src).packed
            + mac_bytes(target) + ipaddress.ip_address(dst).packed)
    return ether(src_mac, reply_to or BROADCAST, ARP, body)


def burst(src_mac: str, dst_mac: str, src: str, dst: str) -> list[bytes]:
    """One packet of each kind that the lab's servers would hear."""
    packets = (echo_request(src, dst), udp(src, dst, 5353),
               tcp(src, dst, 8080), tcp(src, dst, 2222))
    return [ether(src_mac, dst_mac, kind, packet) for kind, packet in packets]
