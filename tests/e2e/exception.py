#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An exception admits its rule while it lasts, fails its control, and ends."""

import datetime
import sys
import tempfile

import veth
import world
from veth import check

LEAK = ("a-web", "a-test")
SECONDS = 15


def moment(seconds):
    now = datetime.datetime.now(datetime.timezone.utc)
    then = now + datetime.timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def exception(**changes):
    document = {"apiVersion": "cloison/v1", "kind": "Exception",
                "name": "migration", "control": "env.prod-nonprod-deny",
                "reason": "data migration", "riskAnalysis": "RA-7",
                "approver": "security", "owner": "platform",
                "notBefore": moment(-60), "notAfter": moment(SECONDS),
                "rules": ["acme/production/leak"]}
    document.update(changes)
    return document


def policy(**documents):
    leak = {"name": "leak", "from": {"group": "web"},
            "to": {"environment": "test", "group": "web"},
            "ports": [f"tcp/{world.ALLOWED_PORT}"]}
    return world.policy(acme=world.tenant("acme", [leak]), **documents)


def control(predicate):
    return next(c for c in predicate["controls"]
                if c["id"] == "env.prod-nonprod-deny")


def main(build):
    veth.inside()
    guests = world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, period=1)
        daemon.start()

        check(daemon.apply(policy(), check=False).returncode == 3,
              "without an exception the rule is refused")
        other = exception(control="net.cross-tenant-deny")
        check(daemon.apply(policy(x=other), check=False).returncode == 3,
              "an exception of another control does not help")
        other = exception(rules=["acme/production/other"])
        check(daemon.apply(policy(x=other), check=False).returncode == 3,
              "an exception for a rule that is not there is refused")
        old = exception(notAfter=moment(-1))
        refused = daemon.apply(policy(x=old), check=False)
        check(refused.returncode == 3 and "expired" in refused.stderr,
              "an expired exception is refused")

        daemon.apply(policy(x=exception()))
        check(LEAK in world.flows(guests, world.ALLOWED_PORT),
              "while it lasts the flow is allowed")
        predicate = daemon.predicate("--nonce", "01")
        if control(predicate)["result"] == "PASS":
            raise AssertionError("it ended before it was looked at")
        check(control(predicate)["result"] == "FAIL" and
              control(predicate)["excepted"] and
              predicate["verdict"] == "FAILED",
              "its control reads FAIL, excepted, and the verdict FAILED")

        veth.wait_for("the exception ends, PASSED follows",
                      lambda: daemon.predicate()["verdict"] == "PASSED")
        check(LEAK not in world.flows(guests, world.ALLOWED_PORT),
              "its flow ends with it")
        check(daemon.stop() == 0, "the daemon stops in order")
        daemon.start()
        check(LEAK not in world.flows(guests, world.ALLOWED_PORT) and
              daemon.predicate()["verdict"] == "PASSED",
              "a restart with the ended exception keeps it closed")
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
