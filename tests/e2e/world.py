# SPDX-License-Identifier: Apache-2.0
"""The small world of the e2e tests: two tenants with the same addresses.

acme and globex each have web and db in production and one guest in test.
Their segments overlap; all taps are ports of one bridge.
"""

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
        guests[name] = veth.Guest(name, mac, [f"{v4}/16", f"{v6}/32"], BRIDGE)
    for guest in guests.values():
        for port in (ALLOWED_PORT, FORBIDDEN_PORT):
            guest.serve(port)
    return guests


def attack(source, target, port, family=4):
    """Send to the target's own MAC, whoever owns its address in our tenant."""
    address = target.addresses[0 if family == 4 else 1].split("/")[0]
    source.neighbour(address, target.mac)
    try:
        return source.connect(address, port)
    finally:
        source.forget(address)


def flows(guests, port, family=4):
    """{(source, target)} pairs of which the right guest answered."""
    return {(s.name, t.name)
            for s in guests.values() for t in guests.values()
            if s is not t and
            s.addresses[0] != t.addresses[0] and
            attack(s, t, port, family) == t.name}
