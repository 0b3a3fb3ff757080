# SPDX-License-Identifier: Apache-2.0
"""Frames byte by byte, honest or not. Nothing here needs a socket.

Every builder puts a tag of 8 bytes into what it builds, in the payload or
behind the packet where it has none, so that a receiver knows which frame it
heard: see `tag` and `tags`.
"""

import itertools
import re
import socket
import struct
from dataclasses import dataclass

MAGIC = b"\xc1\x07TG"
TAG = re.compile(re.escape(MAGIC) + b"....", re.S)
COUNTER = itertools.count(1)
BROADCAST = "ff:ff:ff:ff:ff:ff"
IP4, ARP, IP6 = 0x0800, 0x0806, 0x86dd
ICMP, IGMP, IPIP, TCP, UDP, IPV6 = 1, 2, 4, 6, 17, 41
ROUTING, FRAGMENT, GRE, ESP, AH, ICMPV6, OPTIONS, SCTP = (
    43, 44, 47, 50, 51, 58, 60, 132)
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Host:
    """Who a frame says it is from, or for."""
    name: str
    mac: str
    v4: str
    v6: str

    def ip(self, family):
        return self.v4 if family == 4 else self.v6


def tag():
    """8 bytes that no other frame has."""
    return MAGIC + struct.pack("!I", next(COUNTER))


def tags(frame):
    """The last tag of a frame: an ICMP error may quote another's."""
    found = TAG.findall(frame)
    return found[-1] if found else None


def hardware(text):
    return bytes.fromhex(text.replace(":", ""))


def address(text):
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return socket.inet_pton(family, text)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def summed(source, target, proto, segment, at):
    """The segment with the checksum of its pseudo header put in `at`."""
    pseudo = (address(source) + address(target) +
              struct.pack("!II", len(segment), proto))
    value = checksum(pseudo + segment)
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


# -- Ethernet

def ether(source, target, kind, payload):
    """Bytes of a frame; MACs as text."""
    return (hardware(target) + hardware(source) + struct.pack("!H", kind) +
            payload)


def padded(frame):
    """Tag a frame that has no payload, behind what its headers claim."""
    return frame + tag()


def vlan(frame, *ids, kind=0x8100):
    """The outermost tag first; the innermost is always 0x8100."""
    kinds = [kind] * (len(ids) - 1) + [0x8100] if len(ids) > 1 else [kind]
    inserted = b"".join(struct.pack("!HH", k, i) for k, i in zip(kinds, ids))
    return frame[:12] + inserted + frame[12:]


def llc(source, target, payload):
    """IEEE 802.3: a length where the type would be."""
    payload += tag()
    return ether(source, target, len(payload), payload)


# -- IP

def ip4(source, target, proto, payload, *, options=b"", ident=0, offset=0,
        more=False, ttl=64, total=None):
    """offset: of a fragment, in bytes. total: what to claim instead."""
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4
    if total is None:
        total = 4 * words + len(payload)
    header = struct.pack("!BBHHHBBH", 0x40 | words, 0, total & 0xffff, ident,
                         offset // 8 | more << 13, ttl, proto, 0)
    header += address(source) + address(target) + options
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return header + payload


def ip6(source, target, proto, payload, *, hop=64, chain=()):
    """chain: [(number, body)] of extension headers, without next header."""
    for number, body in reversed(chain):
        payload = bytes([proto]) + body + payload
        proto = number
    return (struct.pack("!IHBB", 6 << 28, len(payload), proto, hop) +
            address(source) + address(target) + payload)


def packet(source, target, family, proto, payload, mac=None, **kwargs):
    """A frame from host to host. mac: of another receiver."""
    build = ip4 if family == 4 else ip6
    return ether(source.mac, mac or target.mac, IP4 if family == 4 else IP6,
                 build(source.ip(family), target.ip(family), proto, payload,
                       **kwargs))


def option6(kind, value=b""):
    return struct.pack("!BB", kind, len(value)) + value


def options6(*options):
    """Body of a hop-by-hop or destination options header."""
    body = b"".join(options)
    room = -(len(body) + 2) % 8
    if room == 1:
        body += b"\0"
    elif room > 1:
        body += option6(1, b"\0" * (room - 2))
    return bytes([(len(body) + 2) // 8 - 1]) + body


def routing6(kind, *addresses):
    return (struct.pack("!BBBI", 2 * len(addresses), kind, len(addresses), 0) +
            b"".join(address(a) for a in addresses))


def fragment6(ident, offset, more):
    return struct.pack("!BHI", 0, offset | more, ident)


# -- transports: segments, to be carried by packet()

def udp_segment(source, target, sport, dport, data):
    segment = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return summed(source, target, UDP, segment, 6)


def udp(source, target, sport, dport, family=4, data=b"", **kwargs):
    body = udp_segment(source.ip(family), target.ip(family), sport, dport,
                       data + tag())
    return packet(source, target, family, UDP, body, **kwargs)


def tcp(source, target, sport, dport, flags, family=4, seq=1000, ack=0,
        window=8192, data=None, **kwargs):
    """data=None: no payload, and the tag behind the packet."""
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags,
                          window, 0, 0) + (data or b"")
    body = summed(source.ip(family), target.ip(family), TCP, segment, 16)
    frame = packet(source, target, family, TCP, body, **kwargs)
    return padded(frame) if data is None else frame


def sctp(source, target, sport, dport, chunk, family=4, vtag=0, **kwargs):
    """One chunk of this type; the CRC is left to be wrong."""
    body = struct.pack("!HHII", sport, dport, vtag, 0)
    value = struct.pack("!IIHHI", 7, 65536, 1, 1, 1) + tag()
    body += struct.pack("!BBH", chunk, 3 if chunk == 0 else 0,
                        4 + len(value)) + value
    return packet(source, target, family, SCTP, body, **kwargs)


def icmp_segment(source, target, family, kind, code, rest, data):
    """rest: the 4 bytes behind the checksum."""
    segment = struct.pack("!BBH", kind, code, 0) + rest + data
    if family == 6:
        return summed(source, target, ICMPV6, segment, 2)
    return segment[:2] + struct.pack("!H", checksum(segment)) + segment[4:]


def icmp(source, target, kind, family=4, code=0, rest=b"\0\0\0\0", data=None,
         hop=64, **kwargs):
    """data=None: a tag alone."""
    body = icmp_segment(source.ip(family), target.ip(family), family, kind,
                        code, rest, tag() if data is None else data)
    proto = ICMP if family == 4 else ICMPV6
    kwargs.update({"ttl": hop} if family == 4 else {"hop": hop})
    return packet(source, target, family, proto, body, **kwargs)


def echo(source, target, ident, family=4, reply=False, **kwargs):
    kind = ((8, 0) if family == 4 else (128, 129))[reply]
    return icmp(source, target, kind, family, rest=struct.pack("!HH", ident, 1),
                **kwargs)


def error(source, target, quoted, kind, code=0, family=4, mtu=0, **kwargs):
    """About the packet in this frame, of which it quotes 128 bytes."""
    inner = quoted[14:14 + 128] # without the tag of a short one
    return padded(icmp(source, target, kind, family, code,
                       rest=struct.pack("!I", mtu), data=inner, **kwargs))


def unreachable(source, target, quoted, family=4, **kwargs):
    kind, code = (3, 3) if family == 4 else (1, 4)
    return error(source, target, quoted, kind, code, family, **kwargs)


def too_big(source, target, quoted, family=4, **kwargs):
    kind, code = (3, 4) if family == 4 else (2, 0)
    return error(source, target, quoted, kind, code, family, mtu=1280,
                 **kwargs)


def fragments(source, target, sport, dport, family=4, ident=1, piece=512,
              n=3, spans=None, proto=UDP, segment=None, **kwargs):
    """Pieces of one datagram, each with its own tag at its end.

    spans: [(from, to)] in bytes instead of n pieces of this size.
    """
    spans = spans or [(i * piece, (i + 1) * piece) for i in range(n)]
    size = max(to for _, to in spans)
    if segment is None:
        segment = struct.pack("!HHHH", sport, dport, min(size, 0xffff), 0)
    frames = []
    for start, to in spans:
        body = (segment + b"\0" * size)[start:to]
        body = body[:-8] + tag() if len(body) >= 16 or start else body
        more = to < size
        if family == 4:
            extra = {"ident": ident, "offset": start, "more": more}
        else:
            extra = {"chain": [(FRAGMENT, fragment6(ident, start, more))]}
        frame = packet(source, target, family, proto, body, **extra, **kwargs)
        frames.append(frame if tags(frame) else padded(frame))
    return frames


# -- neighbours

def arp(op, sender, target, source=None, to=BROADCAST, sender_mac=None,
        target_mac="00:00:00:00:00:00"):
    """sender, target: (MAC, address) pairs are spelled out by the caller."""
    source = source or sender.mac
    body = struct.pack("!HHBBH", 1, IP4, 6, 4, op)
    body += hardware(sender_mac or sender.mac) + address(sender.v4)
    body += hardware(target_mac) + address(target.v4)
    return padded(ether(source, to, ARP, body + b"\0" * 18))


def solicited(target):
    return socket.inet_ntop(socket.AF_INET6, address("ff02::1:ff00:0")[:13] +
                            address(target)[13:])


def group_mac(group):
    raw = address(group)
    if len(raw) == 4:
        raw = b"\x01\0\x5e" + bytes([raw[1] & 127]) + raw[2:]
    else:
        raw = b"\x33\x33" + raw[12:]
    return raw.hex(":")


def lladdr(kind, mac):
    return bytes([kind, 1]) + hardware(mac)


def nd(kind, source, to, body, *, mac=None, src=None, hop=255, code=0):
    """kind 133 to 137 to an address; body: behind the checksum."""
    src = source.v6 if src is None else src
    icmp6 = icmp_segment(src, to, 6, kind, code, body[:4], body[4:])
    mac = mac or (group_mac(to) if to.startswith("ff") else None)
    return padded(ether(source.mac, mac, IP6,
                        ip6(src, to, ICMPV6, icmp6, hop=hop)))


def solicit(source, target, options=None, **kwargs):
    """Who has this address?"""
    if options is None:
        options = lladdr(1, source.mac)
    return nd(135, source, solicited(target),
              b"\0\0\0\0" + address(target) + options, **kwargs)


def advertise(source, target, to, options=None, **kwargs):
    """I have this address."""
    if options is None:
        options = lladdr(2, source.mac)
    return nd(136, source, to, b"\x60\0\0\0" + address(target) + options,
              **kwargs)


def dhcp4(source, op, chaddr, client="0.0.0.0", mac=BROADCAST,
          server="255.255.255.255", yours="0.0.0.0", kind=1):
    """BOOTP with a message type; op 1 goes to port 67, op 2 to port 68."""
    body = struct.pack("!BBBBIHH", op, 1, 6, 0, 0x12345678, 0, 0x8000)
    body += address("0.0.0.0") + address(yours) + bytes(8)
    body += hardware(chaddr).ljust(16, b"\0") + bytes(192)
    body += b"\x63\x82\x53\x63\x35\x01" + bytes([kind]) + b"\xff" + tag()
    sport, dport = (68, 67) if op == 1 else (67, 68)
    datagram = udp_segment(client, server, sport, dport, body)
    return ether(source.mac, mac, IP4, ip4(client, server, UDP, datagram))


def dhcp6(source, kind, src, to="ff02::1:2", mac=None, server=False):
    body = bytes([kind]) + b"\1\2\3\0\1\0\x0e" + bytes(14) + tag()
    sport, dport = (547, 546) if server else (546, 547)
    datagram = udp_segment(src, to, sport, dport, body)
    return ether(source.mac, mac or group_mac(to), IP6,
                 ip6(src, to, UDP, datagram))


def igmp(source, kind, group, to=None):
    to = to or group
    body = struct.pack("!BBH", kind, 0, 0) + address(group)
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    return padded(ether(source.mac, group_mac(to), IP4,
                        ip4(source.v4, to, IGMP, body, ttl=1,
                            options=b"\x94\x04\0\0")))


def mld(source, kind, group, to=None, src=None):
    """kind 130 query, 131 report, 132 done, 143 report v2."""
    to, src = to or group, src or source.v6
    rest = bytes(4) + address(group)
    if kind == 143:
        rest = struct.pack("!HHBBH", 0, 1, 4, 0, 0) + address(group)
    body = icmp_segment(src, to, 6, kind, 0, rest[:4], rest[4:])
    return padded(ether(source.mac, group_mac(to), IP6,
                        ip6(src, to, ICMPV6, body, hop=1,
                            chain=[(0, options6(option6(5, b"\0\0")))])))
