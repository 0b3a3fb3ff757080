#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Attack, legal neighbour and control: what flows without and with guards."""

import json
import os
import sys
import tempfile

import veth
import world
from veth import check

LEGAL = {("a-web", "a-db"), ("g-web", "g-db")}


def every_pair(guests):
    return {(s.name, t.name) for s in guests.values()
            for t in guests.values()
            if s is not t and s.addresses[0] != t.addresses[0]}


def spoofs(guests, daemon):
    """A guest that borrows its neighbour's address, or MAC, is not heard."""
    web, db = guests["a-web"], guests["a-db"]
    check(web.ping(db.address), "web pings db")
    web.ip("address", "add", "10.0.1.77/16", "dev", "eth0")
    result = web.exec("ping", "-n", "-c", "1", "-W", "1", "-I", "10.0.1.77",
                      db.address, check=False,
                      stdout=veth.subprocess.DEVNULL)
    check(result.returncode != 0, "an address that is not its own is dropped")
    web.ip("address", "del", "10.0.1.77/16", "dev", "eth0")

    web.ip("link", "set", "eth0", "address", "0a:00:00:00:09:09")
    check(not web.ping(db.address), "a MAC that is not its own is dropped")
    web.ip("link", "set", "eth0", "address", web.mac)
    drops = {(d["interface"], d["reason"])
             for d in daemon.json("status")["drops"]}
    check(("t-a-web", "source MAC is not the endpoint's") in drops,
          "the spoofed MAC is counted with its reason")
    # ARP for the borrowed address is stopped before any packet is
    check(any(i == "t-a-web" and "not the endpoint" in r and "MAC" not in r
              for i, r in drops), "the spoofed address is counted")
    veth.wait_for("web speaks again", lambda: web.ping(db.address))


def traced(daemon):
    """By hex through the attached program: allowed, denied, forged."""
    def ask(*argv):
        result = daemon.cloison("--json", "trace", *argv, check=False)
        return result.returncode, json.loads(result.stdout)

    def packet(port):
        return ask("--from", "acme/production/a-web", "--to",
                   "acme/production/a-db", "--proto", "tcp",
                   "--dport", str(port))[1]["hex"]

    code, trace = ask("--in", "t-a-web", "--hex", packet(world.ALLOWED_PORT))
    check(code == 0 and trace["rule"] == "acme/production/web-to-db" and
          trace["kernel"]["agrees"] is True and
          trace["counters"]["rule"]["flows"] > 0,
          f"the program passes what the trace allows: {trace['kernel']}")
    forbidden = packet(world.FORBIDDEN_PORT)
    before = drops(daemon, "no rule allows the flow")
    code, trace = ask("--in", "t-a-web", "--hex", forbidden)
    check(code == 3 and trace["kernel"]["agrees"] is True and
          trace["allow"]["rule"]["ports"] == [f"tcp/{world.FORBIDDEN_PORT}"],
          f"the program drops what the trace denies: {trace['kernel']}")
    check(drops(daemon, "no rule allows the flow") > before,
          "the frame really went through the program")
    code, trace = ask("--in", "t-a-db", "--hex", forbidden)
    check(code == 3 and trace["kernel"]["agrees"] is True and
          trace["reason"] == "source MAC is not the endpoint's",
          f"from another tap it is forged: {trace['kernel']}")
    ports = {61234}  # the trace's own
    check(not [f for f in daemon.json("flows")["flows"]
               if f.get("sourcePort") in ports],
          "no flow of a trace is left")


def drops(daemon, reason):
    return sum(d["count"] for d in daemon.json("status")["drops"]
               if d["interface"] == "t-a-web" and d["reason"] == reason)


def attach(options):
    """What the daemon must choose: TCX came with Linux 6.6."""
    if "--attach" in options:
        return options[options.index("--attach") + 1]
    version = os.uname().release.split(".")
    return "tcx" if (int(version[0]), int(version[1])) >= (6, 6) else "clsact"


def main(build, *options):
    veth.inside()
    guests = world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, options=options)

        for family in (4, 6):
            check(world.flows(guests, world.FORBIDDEN_PORT, family) ==
                  every_pair(guests),
                  f"without guards every guest reaches every other (v{family})")

        daemon.start()
        check(daemon.json("status")["attach"] == attach(options),
              f"guards are attached by {attach(options)}")
        daemon.apply(world.policy())
        for family in (4, 6):
            check(world.flows(guests, world.ALLOWED_PORT, family) == LEGAL,
                  f"with guards the legal flows and no other (v{family})")
            check(not world.flows(guests, world.FORBIDDEN_PORT, family),
                  f"no flow on a port without a rule (v{family})")
        spoofs(guests, daemon)
        traced(daemon)

        check(counted(daemon, "acme", "flows") > 0,
              "allowed flows are counted against their rule")
        veth.wait_for("the packets of ended flows are counted",
                      lambda: counted(daemon, "globex", "packets") > 0)
        check(not failed_or_open(daemon), "the attestation reads PASSED")
        check(daemon.stop() == 0, "the daemon stops in order")


def counted(daemon, tenant, what):
    rules = {r["rule"]: r for r in daemon.json("status")["rules"]}
    return rules[f"{tenant}/production/web-to-db"][what]


def failed_or_open(daemon):
    predicate = daemon.predicate("--nonce", "00ff")
    print(veth.failed_controls(predicate), predicate["coverage"])
    return predicate["verdict"] != "PASSED"


if __name__ == "__main__":
    main(*sys.argv[1:])
