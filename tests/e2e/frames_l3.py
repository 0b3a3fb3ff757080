#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile IP, frame by frame: protocols, states, options, fragments."""

import struct
import sys

import craft
import frames
import veth
import world
from craft import ACK, FIN, PSH, RST, SYN
from frames import HOSTS, OUTSIDE, drops, passes

WEB, DB, TEST, G_WEB, G_DB = (
    HOSTS[n] for n in ("a-web", "a-db", "a-test", "g-web", "g-db"))
UDP_PORT, SCTP_PORT = 5000, 9
MARKED = 4000 # source port of the sentinels
BY_NAME = {"esp": craft.ESP, "gre": craft.GRE, "ipip": craft.IPIP,
           "ipv6": craft.IPV6}


def rules():
    return [
        {"name": "web-to-db", "from": {"group": "web"}, "to": {"group": "db"},
         "ports": [f"tcp/{world.ALLOWED_PORT}", f"udp/{UDP_PORT}", "icmp",
                   "icmpv6", f"sctp/{SCTP_PORT}", *BY_NAME]},
        {"name": "db-to-web", "from": {"group": "db"}, "to": {"group": "web"},
         "ports": ["any"]},
        {"name": "in", "from": {"cidr": "10.0.9.0/24"}, "to": {"group": "web"},
         "ports": [f"udp/{UDP_PORT}"]},
        {"name": "in6", "from": {"cidr": "fd00:9::/64"},
         "to": {"group": "web"}, "ports": [f"udp/{UDP_PORT}"]},
        {"name": "out", "from": {"group": "web"}, "to": {"cidr": "10.0.9.0/24"},
         "ports": [f"udp/{UDP_PORT}"]},
        {"name": "out6", "from": {"group": "web"},
         "to": {"cidr": "fd00:9::/64"}, "ports": [f"udp/{UDP_PORT}"]}]


def policy():
    documents = world.policy(acme=world.tenant("acme", rules()),
                             globex=world.tenant("globex", rules()))
    documents["node"]["uplinks"] = [{"interface": "t-outside"}]
    return documents


def sentinels():
    def udp(source, target):
        return lambda: craft.udp(source, target, MARKED, UDP_PORT)
    return {"a-web": (udp(WEB, DB), "a-db"), "a-db": (udp(DB, WEB), "a-web"),
            "g-web": (udp(G_WEB, G_DB), "g-db"),
            "g-db": (udp(G_DB, G_WEB), "g-web"),
            "outside": (udp(OUTSIDE, WEB), "a-web")}


def tcp(family):
    """Without a flow nothing but a SYN, and that by rule."""
    allowed = world.ALLOWED_PORT

    def frame(sport, flags, dport=allowed):
        return craft.tcp(WEB, DB, sport, dport, flags, family)
    return [
        drops("bare ACK", "a-web", frame(101, ACK), "NO_FLOW"),
        drops("bare RST", "a-web", frame(102, RST), "NO_FLOW"),
        drops("SYN+FIN", "a-web", frame(103, SYN | FIN), "NO_FLOW",
              "MALFORMED"),
        drops("SYN+RST", "a-web", frame(104, SYN | RST), "NO_FLOW",
              "MALFORMED"),
        drops("FIN", "a-web", frame(105, FIN), "NO_FLOW"),
        drops("no flags", "a-web", frame(106, 0), "NO_FLOW", "MALFORMED"),
        drops("SYN+ACK that nobody asked for", "a-web",
              frame(107, SYN | ACK), "NO_FLOW"),
        passes("SYN by rule", "a-web", frame(108, SYN), "a-db"),
        drops("SYN without a rule", "a-web",
              frame(109, SYN, world.FORBIDDEN_PORT), "POLICY"),
        drops("SYN to another tenant's guest of that address", "a-web",
              craft.tcp(WEB, G_DB, 110, allowed, SYN, family),
              "NOT_FOR_ENDPOINT"),
        drops("SYN to another environment", "a-web",
              craft.tcp(WEB, TEST, 111, allowed, SYN, family), "POLICY"),
    ]


def connection(family):
    """A live flow: what lies outside its window does not pass."""
    def web(flags, seq, ack=0, data=None):
        return craft.tcp(WEB, DB, 200, world.ALLOWED_PORT, flags, family,
                         seq, ack, data=data)

    def db(flags, seq, ack=0, data=None):
        return craft.tcp(DB, WEB, world.ALLOWED_PORT, 200, flags, family,
                         seq, ack, data=data)
    return [
        passes("handshake 1", "a-web", web(SYN, 1000), "a-db"),
        passes("handshake 2", "a-db", db(SYN | ACK, 5000, 1001), "a-web"),
        passes("handshake 3", "a-web", web(ACK, 1001, 5001), "a-db"),
        passes("data", "a-web", web(ACK | PSH, 1001, 5001, craft.tag()),
               "a-db"),
        drops("RST outside the window", "a-web", web(RST, 0x40000000),
              "WINDOW"),
        drops("RST of the other side outside the window", "a-db",
              db(RST, 0x40000000), "WINDOW"),
        drops("data far outside the window", "a-web",
              web(ACK | PSH, 0x40000000, 5001, craft.tag()), "WINDOW"),
        passes("data of the flow that lives on", "a-db",
               db(ACK | PSH, 5001, 1009, craft.tag()), "a-web"),
        passes("RST in the window", "a-web", web(RST, 1009), "a-db"),
    ]


def datagrams(family):
    udp = craft.udp(WEB, DB, 300, UDP_PORT, family)
    return [
        passes("UDP by rule", "a-web", udp, "a-db"),
        passes("UDP back", "a-db", craft.udp(DB, WEB, UDP_PORT, 300, family),
               "a-web"),
        drops("UDP without a rule", "a-web",
              craft.udp(WEB, DB, 301, 5999, family), "POLICY"),
        drops("UDP with another's address", "a-web",
              craft.packet(craft.Host("", WEB.mac, "10.0.1.77", "fd00:1::77"),
                           DB, family, craft.UDP, craft.udp(
                               WEB, DB, 302, UDP_PORT, family)[-16:]),
              "SPOOFED_ADDRESS"),
        passes("from outside by rule", "outside",
               craft.udp(OUTSIDE, WEB, 303, UDP_PORT, family), "a-web"),
        drops("from outside without a rule", "outside",
              craft.udp(OUTSIDE, WEB, 304, 5999, family), "POLICY"),
        drops("from outside with an endpoint's address", "outside",
              craft.udp(DB, WEB, 305, UDP_PORT, family), "SPOOFED_ADDRESS"),
        passes("to the outside by rule", "a-web",
               craft.udp(WEB, OUTSIDE, 306, UDP_PORT, family), "outside"),
        drops("to the outside without a rule", "a-web",
              craft.udp(WEB, OUTSIDE, 307, 5999, family), "POLICY"),
    ]


def icmp(family):
    udp = craft.udp(WEB, DB, 400, UDP_PORT, family)
    out = craft.udp(WEB, OUTSIDE, 401, UDP_PORT, family)
    none = craft.udp(WEB, DB, 402, UDP_PORT, family)
    foreign = craft.udp(G_WEB, G_DB, 403, UDP_PORT, family)
    return [
        passes("ping", "a-web", craft.echo(WEB, DB, 7, family), "a-db"),
        passes("its reply", "a-db",
               craft.echo(DB, WEB, 7, family, reply=True), "a-web"),
        drops("a reply to no ping", "a-web",
              craft.echo(WEB, DB, 8, family, reply=True), "NO_FLOW"),
        drops("ping to another environment", "a-web",
              craft.echo(WEB, TEST, 9, family), "POLICY"),
        passes("(a flow)", "a-web", udp, "a-db"),
        passes("error about it", "a-db",
               craft.unreachable(DB, WEB, udp, family), "a-web"),
        passes("packet too big about it", "a-db",
               craft.too_big(DB, WEB, udp, family), "a-web"),
        drops("error about a flow that is none", "a-db",
              craft.unreachable(DB, WEB, none, family), "NO_FLOW"),
        drops("error by one who is no end of the flow", "a-test",
              craft.unreachable(TEST, WEB, udp, family), "NO_FLOW", "POLICY"),
        drops("error to one who did not send what it quotes", "a-web",
              craft.unreachable(WEB, DB, udp, family), "NO_FLOW"),
        passes("(another tenant's flow)", "g-web", foreign, "g-db"),
        drops("error about another tenant's flow", "a-db",
              craft.unreachable(DB, WEB, foreign, family), "NO_FLOW"),
        passes("(a flow to the outside)", "a-web", out, "outside"),
        passes("packet too big from a router about it", "outside",
               craft.too_big(OUTSIDE, WEB, out, family), "a-web"),
        drops("error from outside about an inner flow", "outside",
              craft.unreachable(OUTSIDE, WEB, udp, family), "NO_FLOW"),
    ]


def others(family):
    """First backwards: what passes would open the flow for both ways."""
    shots = [drops(f"{name} is not in 'any'", "a-db",
                   craft.packet(DB, WEB, family, number, craft.tag()),
                   "POLICY")
             for name, number in BY_NAME.items()]
    shots += [passes(f"{name} by name", "a-web",
                     craft.packet(WEB, DB, family, number, craft.tag()),
                     "a-db")
              for name, number in BY_NAME.items()]
    shots += [
        drops("a protocol without a name", "a-db",
              craft.packet(DB, WEB, family, 99, craft.tag()), "POLICY"),
        drops("AH", "a-db", craft.packet(DB, WEB, family, craft.AH,
                                         b"\x3b\4\0\0" + bytes(20) +
                                         craft.tag()),
              "POLICY"),
        drops("SCTP DATA without association", "a-web",
              craft.sctp(WEB, DB, 500, SCTP_PORT, 0, family, vtag=9),
              "NO_FLOW"),
        passes("SCTP INIT by rule", "a-web",
               craft.sctp(WEB, DB, 501, SCTP_PORT, 1, family), "a-db"),
        drops("SCTP INIT without a rule", "a-web",
              craft.sctp(WEB, DB, 502, SCTP_PORT + 1, 1, family), "POLICY"),
    ]
    return shots


def options4():
    def shot(expect, name, options, *reasons):
        frame = craft.udp(WEB, DB, 600, UDP_PORT, options=options)
        return expect(name, "a-web", frame, *(reasons or ("a-db",)))
    hop = craft.address(OUTSIDE.v4)
    return [
        shot(passes, "padding options", b"\1\1\1\0"),
        shot(passes, "record route", b"\7\7\4" + hop + b"\0"),
        shot(passes, "router alert", b"\x94\4\0\0"),
        shot(drops, "loose source route", b"\x83\7\4" + hop + b"\0",
             "SOURCE_ROUTE"),
        shot(drops, "strict source route", b"\x89\7\4" + hop + b"\0",
             "SOURCE_ROUTE"),
        shot(drops, "source route behind padding", b"\1\x83\7\4" + hop,
             "SOURCE_ROUTE"),
        shot(drops, "unknown option", b"\x9e\4\0\0", "IP_OPTIONS"),
        shot(drops, "security option", b"\x82\4\0\0", "IP_OPTIONS"),
        shot(drops, "option without length", b"\1\1\1\7", "IP_OPTIONS",
             "MALFORMED"),
        shot(drops, "option of length 0", b"\7\0\0\0", "IP_OPTIONS",
             "MALFORMED"),
        shot(drops, "option beyond the header", b"\7\x27\4\0", "IP_OPTIONS",
             "MALFORMED"),
    ]


def extensions6():
    def shot(expect, name, chain, *reasons):
        frame = craft.udp(WEB, DB, 600, UDP_PORT, 6, chain=chain)
        return expect(name, "a-web", frame, *(reasons or ("a-db",)))
    hop, last, alert = 0, craft.OPTIONS, craft.option6(5, b"\0\0")
    none, unknown = craft.options6(), craft.options6(craft.option6(0x1e))
    jumbo = craft.options6(craft.option6(0xc2, struct.pack("!I", 70000)))
    routes = [(kind, craft.routing6(kind, OUTSIDE.v6)) for kind in (0, 2, 4)]
    return [
        shot(passes, "hop-by-hop padding", [(hop, none)]),
        shot(passes, "router alert", [(hop, craft.options6(alert))]),
        shot(passes, "destination padding", [(last, none)]),
        shot(drops, "unknown hop-by-hop option", [(hop, unknown)],
             "IP6_EXTENSION"),
        shot(drops, "unknown destination option", [(last, unknown)],
             "IP6_EXTENSION"),
        shot(drops, "jumbo payload", [(hop, jumbo)], "IP6_EXTENSION"),
        shot(drops, "hop-by-hop that is not first", [(last, none), (hop, none)],
             "IP6_EXTENSION"),
        shot(drops, "a chain too long", [(last, none)] * 9, "IP6_EXTENSION"),
        shot(drops, "destination options longer than the packet",
             [(last, b"\xff" + bytes(6))], "IP6_EXTENSION", "MALFORMED",
             "RUNT"),
        *[shot(drops, f"routing header {kind}", [(craft.ROUTING, body)],
               "SOURCE_ROUTE") for kind, body in routes],
    ]


def fragments(family):
    ident = iter(range(0x100 * family, 0x10000))

    def cut(source=WEB, target=DB, dport=UDP_PORT, **kwargs):
        return craft.fragments(source, target, 700, dport, family,
                               ident=next(ident), **kwargs)

    def all_pass(name, pieces, *order):
        return [passes(f"{name}: {i}", "a-web", pieces[i - 1], "a-db")
                for i in order]
    alone, early = cut(G_WEB, G_DB), cut(target=OUTSIDE)
    overlap = cut(spans=[(0, 512), (256, 768), (768, 1024)])
    again, forbidden = cut(), cut(dport=5999)
    beyond = cut(spans=[(0, 512), (65528, 66040)])
    tiny = cut(spans=[(0, 8), (8, 512)], proto=craft.TCP,
               segment=struct.pack("!HHI", 700, world.ALLOWED_PORT, 1))
    return [
        drops("a later fragment alone", "g-web", alone[1], "FRAGMENT"),
        drops("the second first, of a flow that never fragmented", "a-web",
              early[1], "FRAGMENT"),
        passes("and its first", "a-web", early[0], "outside"),
        *all_pass("in order", cut(), 1, 2, 3),
        *all_pass("1-3-2", cut(), 1, 3, 2),
        *all_pass("2-1-3 of a flow that fragments", cut(), 2, 1, 3),
        passes("(overlap: first)", "a-web", overlap[0], "a-db"),
        drops("overlap", "a-web", overlap[1], "FRAGMENT_OVERLAP"),
        drops("the datagram is dead", "a-web", overlap[2],
              "FRAGMENT_OVERLAP", "FRAGMENT"),
        passes("(duplicate: first)", "a-web", again[0], "a-db"),
        drops("duplicate", "a-web", again[0].replace(
            craft.tags(again[0]), craft.tag()), "FRAGMENT_OVERLAP"),
        drops("first fragment without the whole TCP header", "a-web", tiny[0],
              "FRAGMENT_TINY"),
        drops("and what follows it", "a-web", tiny[1], "FRAGMENT_TINY",
              "FRAGMENT"),
        passes("(beyond: first)", "a-web", beyond[0], "a-db"),
        drops("fragment beyond 65535", "a-web", beyond[1], "MALFORMED",
              "FRAGMENT_OVERLAP", "FRAGMENT"),
        drops("first fragment of a forbidden flow", "a-web", forbidden[0],
              "POLICY"),
        drops("and what follows it", "a-web", forbidden[1], "FRAGMENT"),
    ]


def shots():
    found = []
    for family in (4, 6):
        for part in (others, tcp, connection, datagrams, icmp, fragments):
            for shot in part(family):
                shot.name = f"v{family} {shot.name}"
                found.append(shot)
    return found + options4() + extensions6()


def main(build):
    veth.inside()
    frames.build()
    stage = frames.Stage(frames.ports(), sentinels())
    with frames.filtered(stage, build, shots, policy()["node"]) as daemon:
        daemon.apply(policy())
        stage.judged(shots())


if __name__ == "__main__":
    main(*sys.argv[1:])
