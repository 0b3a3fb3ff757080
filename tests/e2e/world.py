# SPDX-License-Identifier: Apache-2.0
"""The small world of the e2e tests: two tenants with the same addresses.

acme and globex each have web and db in production and one guest in test.
Their segments overlap; all taps are ports of one bridge.
"""

from concurrent.futures import ThreadPoolExecutor

import veth

BRIDGE = "clobr0"
GUESTS = {
    # name: (tenant, environment, group, mac, v4, v6)
    "a-web": ("acme", "production", "web", "0a:00:00:00:01:01",
              "10.0.1.11", "fd00:1::11"),
    "a-db": ("acme", "production", "db", "0a:00:00:00:01:02",
             "10.0.1.12", "fd00:1::12"),
    "a-test": ("acme", "test", "web", "0a:00:00:00:01:03",
               "10.0.2.11", "fd00:2::11"),
    "g-web": ("globex", "production", "web", "0a:00:00:00:02:01",
              "10.0.1.11", "fd00:1::11"),
    "g-db": ("globex", "production", "db", "0a:00:00:00:02:02",
             "10.0.1.12", "fd00:1::12"),
    "g-test": ("globex", "test", "web", "0a:00:00:00:02:03",
               "10.0.2.11", "fd00:2::11"),
}
ALLOWED_PORT, FORBIDDEN_PORT = 8080, 2222


def segment(environment):
    third = {"production": 1, "test": 2, "development": 3}[environment]
    return {"name": "front",
            "cidrs": [f"10.0.{third}.0/24", f"fd00:{third}::/64"]}


def tenant(name, rules=None):
    """web may reach db on one port and by ping, in production only."""
    if rules is None:
        rules = [{"name": "web-to-db", "from": {"group": "web"},
                  "to": {"group": "db"},
                  "ports": [f"tcp/{ALLOWED_PORT}", "icmp", "icmpv6"]}]
    return {"apiVersion": "cloison/v1", "kind": "Tenant", "name": name,
            "qualification": 1,
            "environments": {
                "production": {"segments": [segment("production")],
                               "groups": ["db", "web"], "rules": rules},
                "test": {"segments": [segment("test")],
                         "groups": ["web"], "rules": []}}}


def workload(name):
    owner, environment, group, mac, v4, v6 = GUESTS[name]
    return {"apiVersion": "cloison/v1", "kind": "Workload", "name": name,
            "tenant": owner, "environment": environment,
            "interfaces": [{"mac": mac, "segment": "front",
                            "addresses": [v4, v6], "groups": [group],
                            "device": f"t-{name}"}]}


def policy(**changes):
    documents = {
        "node": {"apiVersion": "cloison/v1", "kind": "Node", "name": "e2e",
                 "bridges": [BRIDGE], "addresses": ["10.0.0.1"]},
        "acme": tenant("acme"),
        "globex": tenant("globex"),
    }
    documents.update({f"w-{name}": workload(name) for name in GUESTS})
    documents.update(changes)
    return documents


def build():
    """The bridge and all guests, every tap up, nothing guarded."""
    veth.run("ip", "link", "add", BRIDGE, "type", "bridge",
             "mcast_snooping", "0")
    veth.run("ip", "link", "set", BRIDGE, "up")
    guests = {}
    for name, (_, _, _, mac, v4, v6) in GUESTS.items():
        guests[name] = veth.Guest(name, mac, [f"{v4}/16", f"{v6}/16"], BRIDGE)
    for guest in guests.values():
        for port in (ALLOWED_PORT, FORBIDDEN_PORT):
            guest.serve(port)
    return guests


def address(guest, family):
    return guest.addresses[0 if family == 4 else 1].split("/")[0]


def pin(pairs, family):
    """Each knows the other's MAC, whoever owns the address in its tenant.

    Both ends collude, as two guests of one attacker would.
    """
    macs = {}
    for pair in pairs:
        for guest, other in (pair, pair[::-1]):
            macs.setdefault(guest, {})[address(other, family)] = other.mac
    for guest, known in macs.items():
        guest.neighbours(known)


def attack(source, target, port, family=4):
    """Who answers when source sends to target's own MAC."""
    pin([(source, target)], family)
    try:
        return source.connect(address(target, family), port)
    finally:
        source.forget()
        target.forget()


def flows(guests, port, family=4):
    """{(source, target)} pairs of which the right guest answered.

    All at once but for two rounds, own tenant and the other: within a round
    no guest knows two neighbours by one address.
    """
    found = set()
    for same in (True, False):
        pairs = [(s, t) for s in guests.values() for t in guests.values()
                 if s.addresses[0] != t.addresses[0] and
                 (GUESTS[s.name][0] == GUESTS[t.name][0]) == same]
        pin(pairs, family)
        with ThreadPoolExecutor(len(pairs)) as pool:
            answers = list(pool.map(
                lambda pair: pair[0].connect(address(pair[1], family), port),
                pairs))
        for guest in guests.values():
            guest.forget()
        found |= {(s.name, t.name)
                  for (s, t), who in zip(pairs, answers) if who == t.name}
    return found
