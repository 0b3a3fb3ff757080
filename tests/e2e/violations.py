#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Planted violations: each is attested as FAILED by name, then repaired."""

import json
import os
import struct
import sys
import tempfile

import veth
import world
from veth import check

PERIOD = 2


def statements(daemon, kind="isolation/v1"):
    """All of the node's records of a kind so far, oldest first, straight from the log."""
    import base64
    import sqlite3
    log = sqlite3.connect(f"file:{daemon.state}/log.sqlite?mode=ro", uri=True)
    rows = log.execute("SELECT envelope FROM records WHERE scope = '' AND "
                       "kind = ? ORDER BY rowid", [kind]).fetchall()
    log.close()
    return [json.loads(base64.b64decode(json.loads(row[0])["payload"]))
            ["predicate"] for row in rows]


def caught(daemon, control, since, words=()):
    """A FAILED statement after `since` that names the control and words."""
    for predicate in statements(daemon)[since:]:
        detail = veth.failed_controls(predicate).get(control)
        if detail is not None and all(w in detail for w in words):
            return predicate
    return None


def repaired(daemon, since):
    last = statements(daemon)[since:][-1:]
    return last and last[0]["verdict"] == "PASSED"


def told(daemon, control, since, words):
    """How often a violation of its own told that. An audit may see one thing
    by two of its means, and then tells both at once, each in its words."""
    found = [[v["detail"] for v in predicate["violations"]
              if v["control"] == control
              and all(w in v["detail"] for w in words)]
             for predicate in statements(daemon, "violation/v1")[since:]]
    return sum(1 + len(details) - len(set(details))
               for details in found if details)


def plant(daemon, what, act, control, words=()):
    events = len(statements(daemon, "violation/v1"))
    since = len(statements(daemon))
    act()
    found = veth.wait_for(f"FAILED after: {what}",
                          lambda: caught(daemon, control, since, words))
    check(found["verdict"] == "FAILED", f"caught: {what}")
    veth.wait_for(f"repaired after: {what}",
                  lambda: repaired(daemon, since))
    times = told(daemon, control, events, words)
    check(times == 1, f"repaired, and told once as a violation: {what}"
          f"{'' if times == 1 else f', not {times} times'}")


def flip_bit(daemon):
    """One more allowed bit in the row of the first pair, by bpftool."""
    epoch = daemon.json("status")["epoch"]
    rows = f"{daemon.pins}/gen/{epoch & 1}/rows"
    dump = json.loads(veth.output("bpftool", "-j", "map", "dump", "pinned",
                                  rows))
    value = [int(b, 16) for b in dump[0]["value"]]
    classes = 0xff & ~value[0]
    value[0] |= classes & -classes  # the lowest clear bit
    veth.run("bpftool", "map", "update", "pinned", rows, "key", "0", "0", "0",
             "0", "value", *[str(b) for b in value])


def detach(daemon, tap):
    if daemon.json("status")["attach"] == "tcx":
        os.unlink(f"{daemon.pins}/link/{veth.ifindex(tap)}/from_guest")
    else:
        veth.run("tc", "filter", "del", "dev", tap, "ingress")


def dump(daemon, table):
    """[(key bytes, value bytes)] of a table in force."""
    epoch = daemon.json("status")["epoch"]
    rows = json.loads(veth.output("bpftool", "-j", "map", "dump", "pinned",
                                  f"{daemon.pins}/gen/{epoch & 1}/{table}"))
    return [(bytes(int(b, 16) for b in row["key"]),
             bytes(int(b, 16) for b in row["value"])) for row in rows]


# Each plant is one step: what stands half done at an audit would be repaired
# by itself, and the other half would come too late.


def add_pair(daemon, crosses):
    """What an allowed pair may do, its source may do over the border, too."""
    identities = [struct.unpack("<IIBBBBI", value)
                  for _, value in dump(daemon, "identities")]
    key, row = dump(daemon, "pairs")[0]
    source, _ = struct.unpack("<II", key)
    target = next(i for i, identity in enumerate(identities)
                  if identity[0] and crosses(identities[source], identity))
    epoch = daemon.json("status")["epoch"]
    pairs = f"{daemon.pins}/gen/{epoch & 1}/pairs"
    veth.run("bpftool", "map", "update", "pinned", pairs, "key",
             *texts(struct.pack("<II", source, target)), "value", *texts(row))


def texts(data):
    return [str(byte) for byte in data]


def other_environment(a, b):
    return a[0] == b[0] and a[3] != b[3]


def other_tenant(a, b):
    return a[0] != b[0]


def foreign_program(daemon, tap):
    """Somebody else's filter on a guarded hook: said, not ours to remove."""
    since = len(statements(daemon))
    veth.run("tc", "qdisc", "add", "dev", tap, "clsact")
    veth.run("tc", "filter", "add", "dev", tap, "ingress", "prio", "7",
             "bpf", "da", "pinned", f"{daemon.pins}/prog/to_guest")
    veth.wait_for("FAILED with a foreign program", lambda: caught(
        daemon, "net.no-bypass-path", since, [tap, "foreign"]))
    veth.run("tc", "filter", "del", "dev", tap, "ingress", "prio", "7")
    veth.run("tc", "qdisc", "del", "dev", tap, "clsact")
    veth.wait_for("PASSED without it", lambda: repaired(daemon, since))
    check(True, "a foreign program on a guarded hook is caught")


def replace_program(daemon):
    """to_guest where from_guest is expected."""
    pins = f"{daemon.pins}/prog"
    veth.run("bpftool", "prog", "pin", "pinned", f"{pins}/to_guest",
             f"{pins}/other")
    os.rename(f"{pins}/other", f"{pins}/from_guest")


def steal_port(daemon, thief, owner):
    """Give the thief's tap the port entry of another tenant's endpoint."""
    def key(tap):
        number = veth.ifindex(tap).to_bytes(4, "little")
        return [str(b) for b in number]
    ports = f"{daemon.pins}/map/clo_ports"
    entry = json.loads(veth.output("bpftool", "-j", "map", "lookup", "pinned",
                                   ports, "key", *key(owner)))
    value = [str(int(b, 16)) for b in entry["value"]]
    veth.run("bpftool", "map", "update", "pinned", ports, "key", *key(thief),
             "value", *value)


def open_key(daemon):
    """A signing key that others may read: said until it is put right."""
    since = len(statements(daemon))
    os.chmod(f"{daemon.state}/node.key", 0o644)
    veth.wait_for("FAILED while the key is open", lambda: caught(
        daemon, "att.authentic-fresh", since, ["key"]))
    os.chmod(f"{daemon.state}/node.key", 0o600)
    veth.wait_for("PASSED when it is closed", lambda: repaired(daemon, since))
    check(True, "a signing key that others may read is caught")


def undeclared_tap(daemon, guests):
    """A tap that nobody declared on a governed bridge gets the drop-all."""
    stranger = veth.Guest("stranger", "0a:00:00:00:07:07", ["10.0.1.99/16"],
                          world.BRIDGE)
    veth.wait_for("the stranger's tap is guarded", lambda: any(
        u["interface"] == stranger.tap and u["guarded"]
        for u in daemon.json("endpoints")["undeclared"]))
    check(not world.attack(stranger, guests["a-db"], world.ALLOWED_PORT),
          "an undeclared tap reaches nobody")
    check(daemon.predicate("--nonce", "01")["verdict"] == "PASSED",
          "and its guard is covered")
    # off the bridge it is nobody's: it keeps its guard until the policy says
    pins = f"{daemon.pins}/link/{veth.ifindex(stranger.tap)}"
    tcx = daemon.json("status")["attach"] == "tcx"
    veth.run("ip", "link", "set", stranger.tap, "nomaster")
    veth.wait_for("the stranger left the list",
                  lambda: not daemon.json("endpoints")["undeclared"])
    check(not tcx or os.path.exists(f"{pins}/from_guest"),
          "a tap that leaves the bridge keeps its guard")
    daemon.apply(world.policy())
    check(not os.path.exists(pins), "a policy without it releases it")
    veth.run("ip", "link", "del", stranger.tap)


def main(build):
    veth.inside()
    guests = world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, period=PERIOD)
        daemon.start()
        daemon.apply(world.policy())
        veth.wait_for("a first PASSED", lambda: repaired(daemon, 0))

        plant(daemon, "a bit of the live matrix flipped",
              lambda: flip_bit(daemon), "net.flow-matrix",
              ["acme/production", "web", "db"])
        plant(daemon, "a guard detached by hand",
              lambda: detach(daemon, "t-a-web"), "net.default-deny",
              ["t-a-web", "from_guest"])
        plant(daemon, "a pair that leads from production to test",
              lambda: add_pair(daemon, other_environment),
              "env.prod-nonprod-deny", ["environment separation", "> 10.0.2"])
        plant(daemon, "a pair that leads to another tenant",
              lambda: add_pair(daemon, other_tenant),
              "net.cross-tenant-deny", ["tenant separation", "globex"])
        plant(daemon, "the pin of a program taken by another",
              lambda: replace_program(daemon), "agt.self-integrity",
              ["clo_from_guest", "not the one that was built"])
        plant(daemon, "a port entry of another tenant",
              lambda: steal_port(daemon, "t-g-web", "t-a-web"),
              "env.label-integrity", ["t-g-web"])
        undeclared_tap(daemon, guests)
        open_key(daemon)
        if daemon.json("status")["attach"] == "tcx":
            foreign_program(daemon, "t-a-web")
        check(world.flows(guests, world.ALLOWED_PORT) ==
              {("a-web", "a-db"), ("g-web", "g-db")},
              "after all repairs the legal flows and no other")
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
