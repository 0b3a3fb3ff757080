#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile link layer, frame by frame: MACs, ARP, ND, DHCP, tags, multicast."""

import dataclasses
import sys

import craft
import frames
import veth
import world
from frames import HOSTS, OUTSIDE, answered, drops, passes

WEB, DB, TEST, G_WEB, G_DB = (
    HOSTS[n] for n in ("a-web", "a-db", "a-test", "g-web", "g-db"))
STRANGER = craft.Host("", "0a:00:00:00:07:07", "10.0.1.77", "fd00:1::77")
LOCAL = craft.Host("a-web", WEB.mac, WEB.v4, "fe80::800:ff:fe00:101")
SERVER = dataclasses.replace(OUTSIDE, v6="fe80::800:ff:fe00:801")
OTHER = dataclasses.replace(OUTSIDE, v4="10.0.9.66", v6="fe80::bad")
UDP_PORT, MARKED = 5000, 4000
GROUP4, GROUP6, ALL_NODES = "239.1.2.3", "ff05::1234", "ff02::1"
BROADCAST = "255.255.255.255"


def policy():
    rules = [{"name": "web-to-db", "from": {"group": "web"},
              "to": {"group": "db"}, "ports": [f"udp/{UDP_PORT}"]},
             {"name": "in", "from": {"cidr": "10.0.9.0/24"},
              "to": {"group": "web"}, "ports": [f"udp/{UDP_PORT}"]}]
    served = [{"name": "net", "from": {"segment": "front"},
               "to": {"service": "net"}}]
    documents = world.policy(acme=world.tenant("acme", rules + served),
                             globex=world.tenant("globex", rules))
    documents["acme"]["services"] = ["net"]
    segment = documents["acme"]["environments"]["production"]["segments"][0]
    segment["multicast"] = [GROUP4, GROUP6]
    segment["answerNeighbours"] = True
    documents["node"]["uplinks"] = [{"interface": "t-outside"}]
    documents["node"]["services"] = [
        {"name": "net", "kind": "node",
         "addresses": [SERVER.v4, SERVER.v6],
         "ports": ["udp/67", "udp/547", "icmpv6/133"]}]
    return documents


def sentinels():
    def udp(source, target):
        return lambda: craft.udp(source, target, MARKED, UDP_PORT)
    return {"a-web": (udp(WEB, DB), "a-db"),
            "g-web": (udp(G_WEB, G_DB), "g-db"),
            "outside": (udp(OTHER, WEB), "a-web")}


def macs():
    def udp(source, **kwargs):
        return craft.udp(source, DB, 100, UDP_PORT, **kwargs)

    def posing(mac):
        return udp(dataclasses.replace(WEB, mac=mac))
    unknown = "0a:00:00:00:99:99"
    return [
        drops("a neighbour's source MAC", "a-web", posing(DB.mac),
              "SPOOFED_MAC"),
        drops("nobody's source MAC", "a-web", posing(unknown), "SPOOFED_MAC"),
        drops("a peer's address at an unknown MAC", "a-web",
              udp(WEB, mac=unknown), "NOT_FOR_ENDPOINT"),
        drops("an unknown address at an unknown MAC", "a-web",
              craft.udp(WEB, STRANGER, 101, UDP_PORT), "POLICY", "NO_CLASS"),
        drops("unicast IP to all MACs", "a-web",
              udp(WEB, mac=craft.BROADCAST), "MULTICAST"),
        drops("unicast IP to a group's MAC", "a-web",
              udp(WEB, mac=craft.group_mac(GROUP4)), "MULTICAST"),
    ]


def arp():
    def ask(sender, target, **kwargs):
        return craft.arp(1, sender, target, source=WEB.mac, **kwargs)

    def tell(sender, target, **kwargs):
        return craft.arp(2, sender, target, source=WEB.mac, **kwargs)
    nobody = dataclasses.replace(WEB, v4="0.0.0.0")
    answer = craft.arp(2, DB, WEB, to=WEB.mac, target_mac=WEB.mac)[:42]
    web = "a-web"
    return [
        answered("who is my neighbour", web, ask(WEB, DB), answer),
        drops("who is my neighbour, to a group's MAC", web,
              ask(WEB, DB, to="01:00:5e:00:00:01"), "MULTICAST"),
        drops("request with another's address", web, ask(DB, STRANGER),
              "SPOOFED_ARP"),
        drops("request with another's MAC inside", web,
              ask(WEB, DB, sender_mac=DB.mac), "SPOOFED_ARP"),
        drops("request with an address of nobody", web, ask(STRANGER, DB),
              "SPOOFED_ARP"),
        passes("reply of its own", web,
               tell(WEB, DB, to=DB.mac, target_mac=DB.mac), "a-db"),
        drops("reply for its neighbour", web,
              tell(dataclasses.replace(DB, mac=WEB.mac), OUTSIDE,
                   to=OUTSIDE.mac), "SPOOFED_ARP"),
        drops("reply to the neighbour for its gateway", web,
              tell(dataclasses.replace(OUTSIDE, mac=WEB.mac), DB, to=DB.mac),
              "SPOOFED_ARP"),
        passes("gratuitous of its own", web, ask(WEB, WEB), "outside"),
        drops("gratuitous for its neighbour", web,
              ask(dataclasses.replace(DB, mac=WEB.mac), DB), "SPOOFED_ARP"),
        passes("probe for its own", web, ask(nobody, WEB), "outside"),
        drops("probe for its neighbour's", web, ask(nobody, DB),
              "SPOOFED_ARP"),
        passes("who is the gateway", web, ask(WEB, OUTSIDE), "outside"),
        drops("who is in another environment", web, ask(WEB, TEST),
              "NOT_FOR_ENDPOINT"),
        drops("reverse ARP", web, craft.arp(3, WEB, DB), "ARP_KIND"),
        drops("ARP of another hardware", web,
              ask(WEB, DB).replace(b"\0\1\x08\0\6\4", b"\0\6\x08\0\6\4"),
              "ARP_KIND"),
        drops("the outside claims an endpoint's address", "outside",
              craft.arp(2, dataclasses.replace(DB, mac=OUTSIDE.mac), WEB,
                        to=WEB.mac), "SPOOFED_ARP"),
        passes("the gateway asks", "outside", craft.arp(1, OUTSIDE, WEB),
               "a-web", "g-web"),
        passes("the gateway answers", "outside",
               craft.arp(2, OUTSIDE, WEB, to=WEB.mac, target_mac=WEB.mac),
               "a-web"),
    ]


def discovery():
    def tell(target, to=DB.v6, mac=DB.mac, **kwargs):
        return craft.advertise(WEB, target, to, mac=mac, **kwargs)
    answer = craft.nd(136, DB, WEB.v6, b"\x60\0\0\0" + craft.address(DB.v6) +
                      craft.lladdr(2, DB.mac), mac=WEB.mac)[:86]
    own = craft.lladdr(1, WEB.mac)
    web = "a-web"
    return [
        answered("v6 who is my neighbour", web, craft.solicit(WEB, DB.v6),
                 answer),
        drops("v6 with another's address", web,
              craft.solicit(WEB, DB.v6, src=STRANGER.v6), "SPOOFED_ND"),
        drops("v6 with another's MAC inside", web,
              craft.solicit(WEB, DB.v6, craft.lladdr(1, DB.mac)),
              "SPOOFED_ND"),
        drops("hop limit 254", web, craft.solicit(WEB, DB.v6, hop=254),
              "MALFORMED"),
        drops("solicitation with a code", web,
              craft.solicit(WEB, DB.v6, code=1), "MALFORMED"),
        drops("an option of length 0", web,
              craft.solicit(WEB, DB.v6, b"\1\0" + bytes(6)), "MALFORMED"),
        drops("an option beyond the packet", web,
              craft.solicit(WEB, DB.v6, b"\1\x20" + bytes(6)), "MALFORMED"),
        drops("an unknown option", web,
              craft.solicit(WEB, DB.v6, b"\x63\1" + bytes(6)), "MALFORMED"),
        drops("too many options", web,
              craft.solicit(WEB, DB.v6, own * 5), "MALFORMED"),
        passes("detection of its own", web,
               craft.solicit(WEB, WEB.v6, b"", src="::"), "outside"),
        drops("detection of its neighbour's", web,
              craft.solicit(WEB, DB.v6, b"", src="::"), "SPOOFED_ND"),
        passes("advertisement of its own", web, tell(WEB.v6), "a-db"),
        passes("to all nodes", web,
               tell(WEB.v6, ALL_NODES, None), "outside"),
        drops("advertisement for its neighbour", web,
              tell(DB.v6, OUTSIDE.v6, OUTSIDE.mac), "SPOOFED_ND"),
        drops("for the gateway, to the neighbour", web, tell(OUTSIDE.v6),
              "SPOOFED_ND"),
        drops("with another's MAC inside", web,
              tell(WEB.v6, options=craft.lladdr(2, DB.mac)), "SPOOFED_ND"),
        passes("router solicitation to the declared router", web,
               craft.nd(133, LOCAL, "ff02::2", bytes(4) + own), "outside"),
        drops("with another's address", web,
              craft.nd(133, WEB, "ff02::2", bytes(4) + own, src="fe80::5"),
              "SPOOFED_ND"),
        drops("of a tenant that declares no router", "g-web",
              craft.nd(133, G_WEB, "ff02::2", bytes(4)), "MULTICAST"),
        drops("router advertisement of a guest", web,
              craft.nd(134, LOCAL, ALL_NODES, bytes(12)), "ND_KIND"),
        drops("redirect of a guest", web,
              craft.nd(137, LOCAL, DB.v6, bytes(4) + craft.address(DB.v6) * 2,
                       mac=DB.mac), "ND_KIND"),
        passes("the router advertises to those who may ask it", "outside",
               craft.nd(134, SERVER, ALL_NODES, bytes(12)), "a-web", "a-db"),
        drops("a stranger advertises", "outside",
              craft.nd(134, OTHER, ALL_NODES, bytes(12)), "ND_KIND"),
        drops("redirect from outside", "outside",
              craft.nd(137, SERVER, WEB.v6, bytes(4) +
                       craft.address(DB.v6) * 2, mac=WEB.mac), "ND_KIND"),
        drops("the outside claims an endpoint's address", "outside",
              craft.advertise(OUTSIDE, DB.v6, WEB.v6, mac=WEB.mac),
              "SPOOFED_ND"),
    ]


def dhcp():
    ask, offer = (1, WEB.mac), (2, WEB.mac)
    reply = {"client": SERVER.v4, "yours": WEB.v4, "kind": 2}
    local = LOCAL.v6
    return [
        passes("discover", "a-web", craft.dhcp4(WEB, *ask), "outside"),
        passes("renewal", "a-web",
               craft.dhcp4(WEB, *ask, WEB.v4, SERVER.mac, SERVER.v4, kind=3),
               "outside"),
        drops("discover for another client", "a-web",
              craft.dhcp4(WEB, 1, DB.mac), "DHCP"),
        drops("discover with another's address", "a-web",
              craft.dhcp4(WEB, *ask, DB.v4), "SPOOFED_ADDRESS", "DHCP"),
        drops("offer of a guest", "a-web",
              craft.dhcp4(WEB, 2, DB.mac, WEB.v4, kind=2), "DHCP"),
        drops("offer of a guest to its neighbour", "a-web",
              craft.dhcp4(WEB, 2, DB.mac, WEB.v4, DB.mac, DB.v4, DB.v4, 2),
              "DHCP"),
        drops("discover of a tenant without the service", "g-web",
              craft.dhcp4(G_WEB, 1, G_WEB.mac), "MULTICAST", "POLICY"),
        passes("the server's offer", "outside",
               craft.dhcp4(SERVER, *offer, **reply), "a-web"),
        drops("an offer of an address that is another's", "outside",
              craft.dhcp4(SERVER, *offer, **{**reply, "yours": DB.v4}),
              "DHCP"),
        drops("a stranger's offer", "outside",
              craft.dhcp4(SERVER, *offer, **{**reply, "client": OTHER.v4}),
              "DHCP"),
        passes("v6 solicit", "a-web", craft.dhcp6(WEB, 1, local), "outside"),
        drops("v6 solicit with another's address", "a-web",
              craft.dhcp6(WEB, 1, "fe80::5"), "SPOOFED_ADDRESS"),
        drops("v6 advertise of a guest", "a-web",
              craft.dhcp6(WEB, 2, local, DB.v6, DB.mac, True), "DHCP"),
        drops("v6 solicit to a group of its own choice", "a-web",
              craft.dhcp6(WEB, 1, local, "ff05::1:3"), "MULTICAST", "DHCP"),
        drops("v6 solicit without the service", "g-web",
              craft.dhcp6(G_WEB, 1, G_WEB.v6), "MULTICAST", "DHCP"),
        passes("v6 the server's advertise", "outside",
               craft.dhcp6(SERVER, 2, SERVER.v6, local, WEB.mac, True),
               "a-web"),
        drops("v6 a stranger's advertise", "outside",
              craft.dhcp6(SERVER, 2, OTHER.v6, local, WEB.mac, True), "DHCP"),
    ]


def unusual():
    """What is no plain Ethernet frame with IP or ARP, both ways."""
    found = []
    for sender, source, target in (("a-web", WEB, DB),
                                   ("outside", OUTSIDE, WEB)):
        udp = craft.udp(source, target, 200, UDP_PORT)
        snap = b"\xaa\xaa\3\0\0\x0c\x20\0"

        def other(kind, to=target.mac, source=source):
            return craft.ether(source.mac, to, kind, bytes(40) + craft.tag())
        ip = udp[14:-8] + craft.tag()

        def ip4(header, source=source, target=target):
            return craft.ether(source.mac, target.mac, craft.IP4, header)
        cases = [
            ("VLAN", craft.vlan(udp, 100), "VLAN"),
            ("priority tag", craft.vlan(craft.udp(source, target, 201,
                                                  UDP_PORT), 0), "VLAN"),
            ("QinQ", craft.vlan(craft.udp(source, target, 202, UDP_PORT),
                                100, 200, kind=0x88a8), "VLAN"),
            ("three tags", craft.vlan(craft.udp(source, target, 203, UDP_PORT),
                                      1, 2, 3), "VLAN"),
            ("STP", craft.llc(source.mac, "01:80:c2:00:00:00",
                              b"\x42\x42\3" + bytes(35)), "LLC"),
            ("LLC to a neighbour", craft.llc(source.mac, target.mac,
                                             b"\x42\x42\3" + bytes(35)), "LLC"),
            ("SNAP with IP inside", craft.llc(source.mac, target.mac,
                                              snap[:3] + b"\0\0\0\x08\0" + ip),
             "LLC"),
            ("CDP", craft.llc(source.mac, "01:00:0c:cc:cc:cc",
                              snap + bytes(30)), "LLC"),
            ("LLDP", other(0x88cc, "01:80:c2:00:00:0e"), "ETHERTYPE"),
            ("unknown ethertype", other(0x88b5), "ETHERTYPE"),
            ("EAPOL", other(0x888e, "01:80:c2:00:00:03"), "ETHERTYPE"),
            ("PPPoE", other(0x8864), "ETHERTYPE"),
            ("MPLS", other(0x8847), "ETHERTYPE"),
            ("IPv6 in an IPv4 frame", ip4(craft.udp(
                source, target, 204, UDP_PORT, 6)[14:]), "MALFORMED"),
            ("IPv4 shorter than it claims", ip4(craft.ip4(
                source.v4, target.v4, craft.UDP, craft.tag(), total=400)),
             "MALFORMED"),
            ("IPv4 shorter than its header", ip4(craft.ip4(
                source.v4, target.v4, craft.UDP, craft.tag(), total=12)),
             "MALFORMED"),
            ("IPv4 with a header of 16 bytes", ip4(
                b"\x44" + craft.ip4(source.v4, target.v4, craft.UDP,
                                    bytes(8) + craft.tag())[1:]), "MALFORMED"),
            ("half an IPv4 header", ip4(b"\x45\0" + craft.tag()), "RUNT",
             "MALFORMED"),
        ]
        found += [drops(f"{name} from {sender}", sender, frame, *reasons)
                  for name, frame, *reasons in cases]
    return found


def multicast():
    def udp(to, family=4, source=WEB, mac=None):
        target = craft.Host("", mac or craft.group_mac(to), to, to)
        return craft.udp(source, target, 300, UDP_PORT, family)
    web = "a-web"
    return [
        passes("a declared group", web, udp(GROUP4), "a-db", "outside"),
        passes("v6 a declared group", web, udp(GROUP6, 6), "a-db", "outside"),
        drops("declared by another tenant", "g-web",
              udp(GROUP4, source=G_WEB), "MULTICAST"),
        drops("declared in another environment", "a-test",
              udp(GROUP4, source=TEST), "MULTICAST"),
        drops("with another's address", web,
              udp(GROUP4, source=dataclasses.replace(WEB, v4=DB.v4)),
              "SPOOFED_ADDRESS"),
        drops("to a MAC of another group", web,
              udp(GROUP4, mac="01:00:5e:7f:00:01"), "MALFORMED", "MULTICAST"),
        drops("an undeclared group", web, udp("239.9.9.9"), "MULTICAST"),
        drops("v6 an undeclared group", web, udp("ff05::9999", 6),
              "MULTICAST"),
        drops("mDNS", web, udp("224.0.0.251"), "MULTICAST"),
        drops("ping to all nodes", web,
              craft.echo(WEB, craft.Host("", craft.group_mac(ALL_NODES), "",
                                         ALL_NODES), 9, 6), "MULTICAST"),
        drops("broadcast", web, udp(BROADCAST, mac=craft.BROADCAST),
              "MULTICAST"),
        drops("directed broadcast", web,
              udp("10.0.1.255", mac=craft.BROADCAST), "MULTICAST"),
        passes("IGMP report", web, craft.igmp(WEB, 0x16, GROUP4), "outside"),
        passes("IGMP leave", web, craft.igmp(WEB, 0x17, GROUP4, "224.0.0.2"),
               "outside"),
        drops("IGMP query of a guest", web,
              craft.igmp(WEB, 0x11, "0.0.0.0", "224.0.0.1"), "ND_KIND"),
        passes("MLD report", web, craft.mld(LOCAL, 131, GROUP6), "outside"),
        passes("MLDv2 report", web, craft.mld(LOCAL, 143, GROUP6, "ff02::16"),
               "outside"),
        drops("MLD query of a guest", web,
              craft.mld(LOCAL, 130, "::", ALL_NODES), "ND_KIND"),
        drops("a declared group from outside", "outside",
              udp(GROUP4, source=OUTSIDE), "MULTICAST"),
        drops("broadcast from outside", "outside",
              udp(BROADCAST, source=OUTSIDE, mac=craft.BROADCAST),
              "MULTICAST"),
        drops("IGMP query from outside", "outside",
              craft.igmp(OUTSIDE, 0x11, "0.0.0.0", "224.0.0.1"), "ND_KIND"),
    ]


def shots():
    return (macs() + arp() + discovery() + dhcp() + unusual() + multicast())


def main(build):
    veth.inside()
    frames.build()
    stage = frames.Stage(frames.ports(), sentinels())
    node = {**policy()["node"], "services": []}
    with frames.filtered(stage, build, shots, node) as daemon:
        daemon.apply(policy())
        stage.judged(shots())


if __name__ == "__main__":
    main(*sys.argv[1:])
