#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A policy that breaks an invariant is refused whole, with its witness."""

import hashlib
import sys
import tempfile

import veth
import world
from veth import check


def crossing(rule):
    return world.policy(acme=world.tenant("acme", [
        {"name": "web-to-db", "from": {"group": "web"}, "to": {"group": "db"},
         "ports": [f"tcp/{world.FORBIDDEN_PORT}"]}, rule]))


PROD_TO_TEST = {"name": "leak", "from": {"group": "web"},
                "to": {"environment": "test", "group": "web"},
                "ports": ["tcp/443"]}
TENANT_TO_TENANT = {"name": "leak", "from": {"group": "web"},
                    "to": {"tenant": "globex", "group": "db"},
                    "ports": ["udp/53"]}


def approved(daemon, guests):
    """Only what was approved goes in, and the approval is of one matrix."""
    policy = f"{daemon.directory}/policy"
    matrix = f"{daemon.directory}/matrix.json"
    lawful = world.policy(acme=world.tenant("acme", [
        {"name": "web-to-db", "from": {"group": "web"}, "to": {"group": "db"},
         "ports": [f"tcp/{world.FORBIDDEN_PORT}"]}]))
    before = daemon.json("status")
    old = f"{before['matrix']}"
    refused = daemon.apply(lawful, "--approved", old, check=False)
    check(refused.returncode == 3 and old in refused.stderr,
          "what was not approved is refused")
    check(daemon.json("status")["epoch"] == before["epoch"] and
          not world.flows(guests, world.FORBIDDEN_PORT),
          "and nothing of it is in force")
    plan = daemon.json("plan", "--matrix", matrix, policy)
    digest = plan["matrix"]["digest"]
    with open(matrix, "rb") as file:
        check(digest == "sha256:" + hashlib.sha256(file.read()).hexdigest(),
              "the digest is that of the document")
    check(digest in refused.stderr, "the refusal names both digests")
    check([line["services"] for line in plan["plan"]["folded"]["gained"]] ==
          [[f"tcp/{world.FORBIDDEN_PORT}"]], "the plan says what is gained")
    daemon.apply(lawful, "--approved", digest)
    check(daemon.json("status")["matrix"] == digest and
          world.flows(guests, world.FORBIDDEN_PORT) == {("a-web", "a-db")},
          "what was approved is in force")
    check(daemon.predicate()["policy"]["matrix"] == digest,
          "and the attestation names it")


def main(build):
    veth.inside()
    guests = world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(world.policy())
        before = daemon.json("status")

        for rule, invariant, target in (
                (PROD_TO_TEST, "environment separation", "10.0.2.11"),
                (TENANT_TO_TENANT, "tenant separation", "10.0.1.12")):
            refused = daemon.apply(crossing(rule), check=False)
            said = refused.stdout + refused.stderr
            check(refused.returncode == 3, f"refused: {invariant}")
            for word in ("acme/production/leak", invariant, "10.0.1.11",
                         target):
                check(word in said, f"the refusal names {word}")
            after = daemon.json("status")
            check((after["epoch"], after["policy"]) ==
                  (before["epoch"], before["policy"]),
                  "the policy in force is the old one")
            check(world.flows(guests, world.ALLOWED_PORT) ==
                  {("a-web", "a-db"), ("g-web", "g-db")},
                  "what was allowed still is")
            check(not world.flows(guests, world.FORBIDDEN_PORT),
                  "not even its lawful rule is in force")

        bad = world.policy()
        bad["acme"]["environments"]["production"]["rules"][0]["ports"] = [
            "tcp/70000"]
        refused = daemon.apply(bad, check=False)
        check(refused.returncode == 3 and "acme.json:" in refused.stderr and
              "70000" in refused.stderr, "a bad port is named with its file")
        check(daemon.json("status")["epoch"] == before["epoch"],
              "and changes nothing")

        moved = world.policy()
        moved["w-a-test"]["environment"] = "production"
        moved["w-a-test"]["interfaces"][0].update(
            addresses=["10.0.1.13", "fd00:1::13"])
        refused = daemon.apply(moved, check=False)
        check(refused.returncode == 3 and "while it runs" in refused.stderr,
              "a running workload keeps its label")
        check(daemon.json("status")["epoch"] == before["epoch"],
              "and nothing has changed")
        approved(daemon, guests)
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
