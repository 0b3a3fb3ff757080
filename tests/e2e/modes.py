#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Audit lets all pass that concerns nobody else; quarantine lets nothing."""

import dataclasses
import sys

import craft
import frames
import veth
import world
from craft import ACK, SYN
from frames import HOSTS, OUTSIDE, drops, passes
from veth import check

WEB, DB, TEST, G_WEB, G_DB = (
    HOSTS[n] for n in ("a-web", "a-db", "a-test", "g-web", "g-db"))
FORENSICS = OUTSIDE
STRANGER = dataclasses.replace(OUTSIDE, v4="10.0.9.66", v6="fd00:9::66")
UDP_PORT, MARKED = 5000, 4000


def policy(**modes):
    """modes: {guest: mode}, with '_' for '-'."""
    rules = [{"name": "web-to-db", "from": {"group": "web"},
              "to": {"group": "db"},
              "ports": [f"udp/{UDP_PORT}", f"tcp/{world.ALLOWED_PORT}"]},
             {"name": "in", "from": {"cidr": "10.0.9.0/24"},
              "to": {"group": "web"}, "ports": [f"udp/{UDP_PORT}"]}]
    documents = world.policy(acme=world.tenant("acme", rules),
                             globex=world.tenant("globex", rules))
    documents["node"]["uplinks"] = [{"interface": "t-outside"}]
    documents["node"]["forensics"] = [FORENSICS.v4, FORENSICS.v6]
    for guest, mode in modes.items():
        documents[f"w-{guest.replace('_', '-')}"]["mode"] = mode
    return documents


def sentinels():
    def udp(source, target):
        return lambda: craft.udp(source, target, MARKED, UDP_PORT)
    return {"g-web": (udp(G_WEB, G_DB), "g-db"),
            "outside": (udp(FORENSICS, G_WEB), "g-web")}


def udp(source, target, sport, port=UDP_PORT, family=4, **kwargs):
    return craft.udp(source, target, sport, port, family, **kwargs)


def audited():
    """Both ends in audit: whatever would be dropped is seen and passes."""
    found = []
    for family in (4, 6):
        found += [
            passes("by rule", "a-web", udp(WEB, DB, 1, family=family), "a-db"),
            passes("without a rule", "a-web",
                   udp(WEB, DB, 2, 5999, family), "a-db"),
            passes("ACK without a flow", "a-web",
                   craft.tcp(WEB, DB, 3, world.ALLOWED_PORT, ACK, family),
                   "a-db"),
            passes("SYN without a rule", "a-web",
                   craft.tcp(WEB, DB, 4, world.FORBIDDEN_PORT, SYN, family),
                   "a-db"),
        ]
    return found


def protected():
    """An enforcing neighbour of them stays as it was."""
    return [
        drops("an audited guest to an enforcing one", "a-web",
              udp(WEB, TEST, 5, 5999), "POLICY", "NOT_FOR_ENDPOINT"),
        drops("an audited guest to another tenant's", "a-web",
              udp(WEB, G_DB, 6), "NOT_FOR_ENDPOINT", "POLICY"),
        drops("an audited guest with a borrowed address", "a-web",
              craft.ether(WEB.mac, G_DB.mac, craft.IP4,
                          udp(G_WEB, G_DB, 7)[14:]), "NOT_FOR_ENDPOINT",
              "SPOOFED_ADDRESS"),
        drops("an enforcing guest to an audited one", "a-test",
              udp(TEST, DB, 8, 5999), "POLICY"),
        drops("another tenant's enforcing guest to its own", "g-web",
              udp(G_WEB, G_DB, 9, 5999), "POLICY"),
        passes("which has its rule", "g-web", udp(G_WEB, G_DB, 10), "g-db"),
    ]


def quarantined():
    found = []
    for family in (4, 6):
        def to(source, sport, port=UDP_PORT, family=family):
            return udp(source, DB, sport, port, family)

        def back(target, dport, sport=UDP_PORT, family=family):
            return udp(DB, target, sport, dport, family)
        found += [
            drops("by rule, to one in quarantine", "a-web", to(WEB, 20),
                  "QUARANTINE"),
            drops("on a flow that lived before", "a-web", to(WEB, 11),
                  "QUARANTINE", "REVOKED"),
            drops("its answer on it", "a-db", back(WEB, 11), "QUARANTINE",
                  "REVOKED"),
            drops("by one in quarantine", "a-db", back(WEB, 21),
                  "QUARANTINE"),
            drops("to the forensic address, which did not ask", "a-db",
                  back(FORENSICS, 22), "QUARANTINE"),
            passes("from the forensic address", "outside", to(FORENSICS, 23),
                   "a-db"),
            passes("and back", "a-db", back(FORENSICS, 23), "outside"),
            passes("on any port", "outside", to(FORENSICS, 24, 22), "a-db"),
            drops("from another address outside", "outside",
                  to(STRANGER, 25), "QUARANTINE", "POLICY", "NO_CLASS"),
            drops("the forensic address to others", "outside",
                  udp(FORENSICS, WEB, 26, 5999, family), "POLICY"),
            passes("its neighbour to the outside's question", "outside",
                   udp(FORENSICS, WEB, 27), "a-web"),
        ]
    found += [
        drops("broadcast by one in quarantine", "a-db",
              udp(DB, craft.Host("", craft.BROADCAST, "255.255.255.255", ""),
                  28), "QUARANTINE", "MULTICAST"),
        passes("another tenant's guests", "g-web", udp(G_WEB, G_DB, 29),
               "g-db")]
    return found


def shots():
    return audited() + protected() + quarantined()


def observed(stage, before):
    """What passed only because of audit is told from what was dropped."""
    seen = stage.daemon.json("status")["drops"]
    passed = sum(d["count"] for d in seen if d.get("passed") and
                 d["interface"] in ("t-a-web", "t-a-db"))
    check(passed - before >= 6, f"{passed} would-be drops are counted apart")


def main(build):
    veth.inside()
    frames.build()
    stage = frames.Stage(frames.ports(), sentinels())
    node = {k: v for k, v in policy()["node"].items() if k != "forensics"}
    with frames.filtered(stage, build, shots, node) as daemon:
        daemon.apply(policy(a_web="audit", a_db="audit"))
        stage.judged(audited() + protected())
        observed(stage, 0)
        daemon.apply(policy())
        stage.judged([passes(f"v{f} (a flow before quarantine)", "a-web",
                             udp(WEB, DB, 11, family=f), "a-db")
                      for f in (4, 6)])
        daemon.apply(policy(a_db="quarantine"))
        stage.judged(quarantined())
        daemon.apply(policy())
        stage.judged([passes("out of quarantine again", "a-web",
                             udp(WEB, DB, 30), "a-db")])


if __name__ == "__main__":
    main(*sys.argv[1:])
