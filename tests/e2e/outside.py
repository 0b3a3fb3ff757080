#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The outside and the node: by CIDR rule and by declared service only."""

import sys
import tempfile

import veth
import world
from veth import check

NODE, SERVICE_PORT = "10.0.0.1", 5300
FRIEND, STRANGER = "10.0.9.9", "10.0.9.66"


def policy():
    documents = world.policy(acme=world.tenant("acme", [
        {"name": "in", "from": {"cidr": "10.0.9.0/24",
                                "except": [f"{STRANGER}/32"]},
         "to": {"group": "web"}, "ports": [f"tcp/{world.ALLOWED_PORT}"]},
        {"name": "out", "from": {"group": "web"}, "to": {"cidr": "0.0.0.0/0"},
         "ports": [f"tcp/{world.FORBIDDEN_PORT}"]},
        {"name": "names", "from": {"segment": "front"},
         "to": {"service": "names"}}]))
    documents["acme"]["services"] = ["names"]
    documents["node"]["uplinks"] = [{"interface": "t-uplink"}]
    documents["node"]["services"] = [
        {"name": "names", "kind": "node", "addresses": [NODE],
         "ports": [f"tcp/{SERVICE_PORT}"]}]
    return documents


def main(build):
    veth.inside()
    guests = world.build()
    veth.run("ip", "address", "add", f"{NODE}/16", "dev", world.BRIDGE)
    for port in (SERVICE_PORT, world.FORBIDDEN_PORT):
        veth.serve("node", port)
    outside = veth.Guest("uplink", "0a:00:00:00:08:01",
                         [f"{FRIEND}/16", f"{STRANGER}/16"], world.BRIDGE)
    for port in (world.ALLOWED_PORT, world.FORBIDDEN_PORT):
        outside.serve(port)
    web, db = guests["a-web"], guests["a-db"]
    allowed, forbidden = world.ALLOWED_PORT, world.FORBIDDEN_PORT
    for name, guest in guests.items():
        if name.startswith("g-"):  # the same addresses: the outside knows one
            guest.ip("link", "set", "eth0", "down")

    with tempfile.TemporaryDirectory() as directory:
        check(web.connect(NODE, forbidden) == "node" and
              outside.connect(db.address, forbidden) == "a-db",
              "without guards the node and every guest are open")
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(policy())

        check(outside.connect(web.address, allowed) == "a-web",
              "from outside by CIDR rule")
        check(not outside.connect(web.address, forbidden),
              "not on another port")
        check(not outside.connect(db.address, allowed),
              "not to another group")
        outside.ip("route", "replace", "10.0.1.0/24", "dev", "eth0", "src",
                   STRANGER)
        check(not outside.connect(web.address, allowed),
              "not from the address that the rule excepts")
        outside.ip("route", "del", "10.0.1.0/24", "dev", "eth0")
        check(outside.connect(web.address, allowed) == "a-web",
              "its neighbour is still welcome")

        check(web.connect(FRIEND, forbidden) == "uplink",
              "to the outside by CIDR rule")
        check(not web.connect(FRIEND, allowed), "not on another port")
        check(web.connect(NODE, SERVICE_PORT) == "node",
              "the node's declared service is reached")
        check(not web.connect(NODE, forbidden),
              "nothing else of the node, though 0.0.0.0/0 covers it")
        check(db.connect(NODE, SERVICE_PORT) == "node",
              "the legal neighbour reaches it too")

        # the wire claims an endpoint's address
        outside.ip("address", "add", f"{db.address}/16", "dev", "eth0")
        outside.ip("route", "replace", "10.0.1.0/24", "dev", "eth0", "src",
                   db.address)
        check(not outside.connect(web.address, allowed),
              "an endpoint's address from the wire is dropped")
        reasons = {d["reason"] for d in daemon.json("status")["drops"]
                   if d["direction"] == "to_guest"}
        check(any("not the endpoint" in r for r in reasons),
              "and counted as spoofed")
        check(daemon.predicate("--nonce", "01")["verdict"] == "PASSED",
              "the attestation reads PASSED")
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
