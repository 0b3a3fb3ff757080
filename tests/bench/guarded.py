# SPDX-License-Identifier: Apache-2.0
"""Peers that the daemon guards, each its own tenant at the same addresses."""

import veth
from peers import PORT, PORTS, Peer

CONNECTIONS = 1 << 20 # of two tenants with two guests each
OPTIONS = ("--connections", str(CONNECTIONS))

NOTES = {"cloison": "Cloison, through the bridge",
         "local": "Cloison, from tap to tap past the bridge"}


def ports():
    return [f"{proto}/{PORT}-{PORT + PORTS - 1}" for proto in ("tcp", "udp")]


def tenant(peer, apart):
    """Frames go past the bridge inside a segment only, so two guests who are
    to use the bridge (`apart`) have a segment each."""
    segments = [{"name": f"s{i}", "cidrs": [f"{guest.address}/32"]}
                for i, guest in enumerate(peer.guests)]
    if not apart:
        segments = [{"name": "s0", "cidrs": ["10.0.0.0/24"]}]
    return {"apiVersion": "cloison/v1", "kind": "Tenant", "name": peer.name,
            "qualification": 1, "limits": {"connections": CONNECTIONS // 2},
            "environments": {"production": {
                "segments": segments, "groups": ["web", "db"],
                "rules": [{"name": "r", "from": {"group": "web"},
                           "to": {"group": "db"}, "ports": ports()}]}}}


def policy(peers, apart=()):
    """Documents: one node, a tenant for each peer; `apart`: names of those
    that use the bridge."""
    documents = {"node": {
        "apiVersion": "cloison/v1", "kind": "Node", "name": "bench",
        "bridges": sorted({peer.bridge for peer in peers}),
        "connections": CONNECTIONS,
        "addresses": ["10.9.0.1"]}}
    for peer in peers:
        name = peer.name
        documents[f"tenant-{name}"] = tenant(peer, name in apart)
        for i, (guest, group) in enumerate(zip(peer.guests, ("web", "db"))):
            documents[f"guest-{guest.name}"] = {
                "apiVersion": "cloison/v1", "kind": "Workload",
                "name": guest.name, "tenant": name,
                "environment": "production",
                "interfaces": [{"mac": guest.mac,
                                "segment": f"s{i if name in apart else 0}",
                                "addresses": [guest.address],
                                "groups": [group], "device": guest.tap,
                                "limits": {
                                    "connections": CONNECTIONS // 4}}]}
    return documents


def build(daemon, index):
    """One peer through the bridge, one past it."""
    daemon.start()
    peers = [Peer("cloison", index), Peer("local", index + 1)]
    daemon.apply(policy(peers, apart=("cloison",)))
    return peers


def uses_bridge(traffic, peer):
    """Whether its frames need the bridge; they belong to flow 0."""
    veth.run("ip", "link", "set", peer.bridge, "down")
    _, got = traffic.pour(peer, 0, 1, 100)
    veth.run("ip", "link", "set", peer.bridge, "up")
    return got < 100
