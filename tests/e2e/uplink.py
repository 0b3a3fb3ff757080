#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Segments over several nodes: an uplink carries one segment and no other.

Two tenants with the same addresses share one bridge and one wire; each has a
segment on it, as a VLAN or a VXLAN. The other end of the wire, with all that
is on it, is an attacker that may send anything in either segment.

usage: uplink.py BUILD [vlan|vxlan|veth]    veth: one wire for each segment
"""

import dataclasses
import sys

import craft
import frames
import veth
import world
from craft import SYN
from frames import HOSTS, OUTSIDE, Port, drops, passes

WEB, DB, TEST, G_WEB, G_DB = (
    HOSTS[n] for n in ("a-web", "a-db", "a-test", "g-web", "g-db"))
UDP_PORT, MARKED = 5000, 4000
REMOTE = "remote"
IDS = {"a-wire": 100, "g-wire": 200}
SEGMENTS = {"a-wire": "acme/production/front",
            "g-wire": "globex/production/front"}
# Endpoints on another node; both tenants use the same addresses there, too.
FAR_WEB = craft.Host("a-far-web", "0a:00:00:00:01:21", "10.0.1.21",
                     "fd00:1::21")
FAR_DB = craft.Host("a-far-db", "0a:00:00:00:01:22", "10.0.1.22",
                    "fd00:1::22")
G_FAR_WEB = craft.Host("g-far-web", "0a:00:00:00:02:21", "10.0.1.21",
                       "fd00:1::21")
G_FAR_DB = craft.Host("g-far-db", "0a:00:00:00:02:22", "10.0.1.22",
                      "fd00:1::22")
FAR = {"acme": (FAR_WEB, FAR_DB), "globex": (G_FAR_WEB, G_FAR_DB)}


def far_workload(tenant, host):
    return {"apiVersion": "cloison/v1", "kind": "Workload", "name": host.name,
            "tenant": tenant, "environment": "production",
            "interfaces": [{"mac": host.mac, "segment": "front",
                            "addresses": [host.v4, host.v6],
                            "groups": [host.name.rsplit("-", 1)[1]],
                            "device": f"t-{host.name}"}]}


def policy():
    rules = [{"name": "web-to-db", "from": {"group": "web"},
              "to": {"group": "db"},
              "ports": [f"udp/{UDP_PORT}", f"tcp/{world.ALLOWED_PORT}"]},
             {"name": "in", "from": {"cidr": "10.0.9.0/24"},
              "to": {"group": "web"}, "ports": [f"udp/{UDP_PORT}"]},
             {"name": "out", "from": {"group": "web"},
              "to": {"cidr": "10.0.9.0/24"}, "ports": [f"udp/{UDP_PORT}"]}]
    documents = world.policy(acme=world.tenant("acme", rules),
                             globex=world.tenant("globex", rules))
    for tenant, hosts in FAR.items():
        for host in hosts:
            documents[f"w-{host.name}"] = far_workload(tenant, host)
    documents["node"]["uplinks"] = [
        {"interface": device(name), "segment": segment}
        for name, segment in SEGMENTS.items()]
    return documents


def device(name):
    return f"wire.{IDS[name]}"


def quiet(name, namespace=None):
    """No IPv6 chatter from an interface, here or in a namespace."""
    argv = ["sysctl", "-qw", f"net/ipv6/conf/{name}/disable_ipv6=1"]
    veth.run(*(["ip", "netns", "exec", namespace] if namespace else []), *argv)


def link(namespace, *argv):
    veth.run("ip", *(["-n", namespace] if namespace else []), "link", *argv)


def underlay():
    """The wire itself, as a network of its own for VXLAN."""
    ends = {None: ("192.0.2.1/24", "192.0.2.2"),
            REMOTE: ("192.0.2.2/24", "192.0.2.1")}
    link(None, "add", "wire", "mtu", "1600", "type", "veth", "peer", "name",
         "wire", "mtu", "1600", "netns", REMOTE)
    for namespace, (own, peer) in ends.items():
        quiet("wire", namespace)
        link(namespace, "set", "wire", "address",
             "0a:00:00:00:0f:01" if namespace else "0a:00:00:00:0f:02")
        ip = ["ip", *(["-n", namespace] if namespace else [])]
        veth.run(*ip, "address", "add", own, "dev", "wire")
        link(namespace, "set", "wire", "up")
        veth.run(*ip, "neigh", "replace", peer, "lladdr",
                 "0a:00:00:00:0f:02" if namespace else "0a:00:00:00:0f:01",
                 "dev", "wire", "nud", "permanent")


def carry(kind, namespace, name):
    """One segment's device on one end of the wire."""
    number = str(IDS[name])
    own, peer = ("192.0.2.2", "192.0.2.1") if namespace else \
        ("192.0.2.1", "192.0.2.2")
    if kind == "vlan":
        link(namespace, "add", "link", "wire", "name", device(name), "type",
             "vlan", "id", number)
    else:
        link(namespace, "add", device(name), "mtu", "1500", "type", "vxlan",
             "id", number, "local", own, "remote", peer, "dstport", "4789",
             "nolearning", "dev", "wire")
    quiet(device(name), namespace)
    link(namespace, "set", device(name), "up")


def wires(kind):
    """{name: Port} of the far ends; the near ends become bridge ports."""
    veth.run("ip", "netns", "add", REMOTE)
    if kind != "veth":
        underlay()
    ports = {}
    for name in IDS:
        if kind == "veth":
            link(None, "add", device(name), "type", "veth", "peer", "name",
                 device(name), "netns", REMOTE)
            for namespace in (None, REMOTE):
                quiet(device(name), namespace)
                link(namespace, "set", device(name), "up")
        else:
            carry(kind, None, name)
            carry(kind, REMOTE, name)
        link(None, "set", device(name), "master", world.BRIDGE)
        frames.port_of_bridge(device(name))
        frames.forwards(device(name))
        ports[name] = Port(REMOTE, device(name), tap=device(name))
    return ports


def sentinels():
    def udp(source, target):
        return lambda: craft.udp(source, target, MARKED, UDP_PORT)
    return {"a-web": (udp(WEB, DB), "a-db"),
            "g-web": (udp(G_WEB, G_DB), "g-db"),
            "a-wire": (udp(FAR_WEB, DB), "a-db"),
            "g-wire": (udp(G_FAR_WEB, G_DB), "g-db")}


def legal(family):
    def udp(source, target, port=UDP_PORT):
        return craft.udp(source, target, 100 + family, port, family)
    return [
        passes("a far web reaches the db here", "a-wire", udp(FAR_WEB, DB),
               "a-db"),
        passes("which answers it", "a-db",
               craft.udp(DB, FAR_WEB, UDP_PORT, 100 + family, family),
               "a-wire"),
        passes("another tenant's far web reaches its own", "g-wire",
               udp(G_FAR_WEB, G_DB), "g-db"),
        passes("which answers it", "g-db",
               craft.udp(G_DB, G_FAR_WEB, UDP_PORT, 100 + family, family),
               "g-wire"),
        passes("a web here reaches the far db by its segment's wire", "a-web",
               udp(WEB, FAR_DB), "a-wire"),
        passes("another tenant's by its own", "g-web", udp(G_WEB, G_FAR_DB),
               "g-wire"),
        drops("a far web on another port", "a-wire", udp(FAR_WEB, DB, 5999),
              "POLICY"),
        drops("a far db may not begin", "a-wire", udp(FAR_DB, WEB), "POLICY"),
        drops("a web here on another port", "a-web", udp(WEB, FAR_DB, 5999),
              "POLICY"),
        drops("a SYN by a wire on another port", "a-wire",
              craft.tcp(FAR_WEB, DB, 101, world.FORBIDDEN_PORT, SYN, family),
              "POLICY"),
        drops("a RST of no flow by a wire", "a-wire",
              craft.tcp(FAR_WEB, DB, 102, world.ALLOWED_PORT, craft.RST,
                        family), "NO_FLOW"),
    ]


def hostile(family):
    def udp(source, target, **kwargs):
        return craft.udp(source, target, 200, UDP_PORT, family, **kwargs)
    return [
        drops("the wire speaks for an endpoint here", "a-wire", udp(WEB, DB),
              "SPOOFED_ADDRESS"),
        drops("the wire reaches for another segment of the tenant", "a-wire",
              udp(FAR_WEB, TEST), "NOT_FOR_SEGMENT"),
        drops("the wire reaches for another tenant's MAC", "a-wire",
              udp(FAR_WEB, G_DB), "NOT_FOR_ENDPOINT"),
        drops("the wire reaches for a group's MAC", "a-wire",
              udp(FAR_WEB, DB, mac=craft.BROADCAST), "MULTICAST"),
        drops("the wire sends to another far endpoint", "a-wire",
              udp(FAR_WEB, FAR_DB), "NOT_FOR_SEGMENT"),
        passes("a guest's frame leaves by its own segment's wire, whatever "
               "its MAC", "g-web", udp(G_WEB, G_FAR_DB, mac=FAR_DB.mac),
               "g-wire"),
        drops("a guest poses as a far endpoint", "a-web",
              craft.ether(WEB.mac, DB.mac, craft.IP4 if family == 4 else
                          craft.IP6, udp(FAR_WEB, DB)[14:]),
              "SPOOFED_ADDRESS"),
    ]


def outside():
    web = craft.udp(WEB, OUTSIDE, 300, UDP_PORT)
    return [
        passes("an undeclared source is the outside: by rule", "a-wire",
               craft.udp(OUTSIDE, WEB, 301, UDP_PORT), "a-web"),
        drops("an undeclared source without a rule", "a-wire",
              craft.udp(OUTSIDE, DB, 302, UDP_PORT), "POLICY"),
        drops("an undeclared source that nothing names", "a-wire",
              craft.udp(dataclasses.replace(OUTSIDE, v4="10.0.1.99"), DB, 303,
                        UDP_PORT), "POLICY", "NO_CLASS"),
        passes("to the outside by its own segment's wire", "a-web", web,
               "a-wire"),
        passes("another tenant's by its own", "g-web",
               craft.udp(G_WEB, OUTSIDE, 300, UDP_PORT), "g-wire"),
        passes("the answer by the wire it left by", "a-wire",
               craft.udp(OUTSIDE, WEB, UDP_PORT, 300), "a-web"),
        drops("an error about it by another wire", "g-wire",
              craft.unreachable(OUTSIDE, WEB, web), "NO_FLOW",
              "NOT_FOR_ENDPOINT"),
    ]


def neighbours():
    def arp(op, sender, target, **kwargs):
        return craft.arp(op, sender, target, **kwargs)
    posing = dataclasses.replace(WEB, mac=FAR_WEB.mac)
    return [
        passes("a far endpoint asks for one here", "a-wire",
               arp(1, FAR_WEB, DB), "a-db"),
        passes("one here asks for a far one", "a-web", arp(1, WEB, FAR_DB),
               "a-wire"),
        passes("and is answered", "a-wire",
               arp(2, FAR_DB, WEB, to=WEB.mac, target_mac=WEB.mac), "a-web"),
        passes("v6 a far endpoint asks for one here", "a-wire",
               craft.solicit(FAR_WEB, DB.v6), "a-db"),
        passes("v6 one here asks for a far one", "a-web",
               craft.solicit(WEB, FAR_DB.v6), "a-wire"),
        drops("the wire claims the address of one here", "a-wire",
              arp(2, posing, DB, to=DB.mac), "SPOOFED_ARP"),
        drops("gratuitously", "a-wire", arp(1, posing, WEB), "SPOOFED_ARP",
              "NOT_FOR_SEGMENT"),
        drops("v6 the wire claims the address of one here", "a-wire",
              craft.advertise(FAR_WEB, WEB.v6, DB.v6, mac=DB.mac),
              "SPOOFED_ND"),
        drops("the wire asks for one of another segment", "a-wire",
              arp(1, FAR_WEB, TEST), "SPOOFED_ARP", "NOT_FOR_SEGMENT"),
        drops("multicast from the wire", "a-wire",
              craft.udp(FAR_WEB, craft.Host("", craft.group_mac("239.1.2.3"),
                                            "239.1.2.3", ""), 400, UDP_PORT),
              "MULTICAST"),
        drops("a router advertisement from the wire", "a-wire",
              craft.nd(134, FAR_WEB, "ff02::1", bytes(12), src="fe80::1"),
              "ND_KIND", "SPOOFED_ND", "NOT_FOR_SEGMENT"),
        drops("STP from the wire", "a-wire",
              craft.llc(FAR_WEB.mac, "01:80:c2:00:00:00",
                        b"\x42\x42\3" + bytes(35)), "LLC"),
        drops("a tag inside the segment", "a-wire",
              craft.vlan(craft.udp(FAR_WEB, DB, 401, UDP_PORT), 200), "VLAN"),
    ]


def shots():
    found = []
    for family in (4, 6):
        for shot in legal(family) + hostile(family):
            shot.name = f"v{family} {shot.name}"
            found.append(shot)
    return found + outside() + neighbours()


def main(build, kind="vlan"):
    veth.inside()
    frames.build()
    veth.run("ip", "netns", "delete", "outside") # its place is taken here
    ports = {name: Port(name) for name in HOSTS}
    ports.update(wires(kind))
    stage = frames.Stage(ports, sentinels())
    with frames.filtered(stage, build, shots, world.policy()["node"]) as daemon:
        daemon.apply(policy())
        stage.judged(shots())


if __name__ == "__main__":
    main(*sys.argv[1:])
