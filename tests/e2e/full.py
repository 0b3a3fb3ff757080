#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A state directory on a disk that is full: enforcement goes on, the log says
afterwards what it has not."""

import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

import gateway_rig
import veth
import violations
import world
from veth import check

MIB = 1 << 20


def fill(directory):
    """Not one block is left."""
    path = f"{directory}/ballast"
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (MIB, 4096):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass
    left = os.statvfs(directory)
    check(left.f_bavail == 0, "the disk is full")
    return path


def log_of(daemon):
    return daemon.json("status")["log"]


def is_short(daemon):
    log = log_of(daemon)
    return log["unrecordedSince"] is not None


def gaps(daemon):
    """What the signed gap records tell, in the order of the log."""
    database = sqlite3.connect(f"file:{daemon.state}/log.sqlite?mode=ro",
                               uri=True)
    rows = database.execute("SELECT scope, envelope FROM records"
                            " WHERE kind = 'gap/v1' ORDER BY id").fetchall()
    database.close()
    return [(scope, json.loads(base64.b64decode(
        json.loads(envelope)["payload"]))["predicate"]["gap"])
        for scope, envelope in rows]


def trust_of(directory):
    """A store with the control plane's key."""
    key = f"{directory}/plane.key"
    veth.run("openssl", "genpkey", "-algorithm", "ed25519", "-out", key,
             stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    pem = veth.output("openssl", "pkey", "-in", key, "-pubout")
    path = f"{directory}/policy-trust.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"apiVersion": "cloison/v1", "kind": "TrustStore", "keys": [
            {"name": "plane", "roles": ["policy"], "pem": pem}]}, file)
    return path


def bring(daemon, directory, revision):
    """The world's policy as a signed bundle; what became of it."""
    envelope = daemon.cloison(
        "bundle", f"{directory}/policy", "--node", "e2e", "--revision",
        str(revision), "--signing-key", f"{directory}/plane.key").stdout
    reply = gateway_rig.ask(daemon, {"op": "bundle",
                                     "envelope": envelope.strip()},
                            0)
    return reply["result"]["outcome"] if reply["ok"] else reply["error"]


def guarded(daemon):
    endpoints = daemon.json("status")["endpoints"]
    return endpoints["expected"] == endpoints["guarded"] > 0


def enforced(daemon, guests):
    """What must work whatever becomes of the log."""
    web, db = guests["a-web"], guests["a-db"]
    check(world.attack(web, db, world.ALLOWED_PORT) == "a-db",
          "what is allowed flows")
    check(not world.attack(web, guests["g-db"], world.ALLOWED_PORT),
          "what is forbidden does not")

    violations.detach(daemon, "t-a-web")
    link = f"{daemon.pins}/link/{veth.ifindex('t-a-web')}/from_guest"
    veth.wait_for("a guard that was detached is back",
                  lambda: os.path.exists(link) and guarded(daemon))
    check(not world.attack(web, guests["g-db"], world.ALLOWED_PORT),
          "and guards")

    for rules in ([], None, []):
        daemon.apply(world.policy(acme=world.tenant("acme", rules)))
    check(not world.attack(web, db, world.ALLOWED_PORT),
          "a policy is applied, and another, and a third")

    late = veth.Guest("late", "0a:00:00:00:09:01", ["10.0.9.9/16"],
                      world.BRIDGE)
    veth.wait_for("a tap that comes is guarded", lambda: guarded(daemon) and
                  daemon.json("status")["undeclared"] == 1)
    check(not world.attack(late, db, world.ALLOWED_PORT),
          "and what nobody declared drops all")


def through(daemon, directory, guests):
    daemon.start()
    daemon.apply(world.policy())
    check(daemon.json("status")["verdict"] == "PASSED", "all is well")
    check(not is_short(daemon), "and recorded")
    check(gaps(daemon) == [], "without a gap")

    ballast = fill(daemon.state)
    veth.wait_for("status tells that audits are not recorded",
                  lambda: is_short(daemon))
    said = daemon.cloison("status", check=False).stdout
    check("audits are not recorded since" in said, "also to people")
    check("not attested" in daemon.read_log(), "and the journal does")
    enforced(daemon, guests)
    daemon.kill()
    daemon.start()
    check(guarded(daemon), "a daemon starts on a full disk")
    enforced_again(daemon, guests)
    check(bring(daemon, directory, 1) == "applied",
          "and the control plane's bundle")

    os.unlink(ballast)
    veth.wait_for("with room audits are recorded again",
                  lambda: not is_short(daemon) and gaps(daemon))
    verified(daemon, directory)
    check(bring(daemon, directory, 2) == "applied", "and the next bundle")
    check(daemon.stop() == 0, "the daemon stops in order")


def main(build):
    veth.inside()
    guests = world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, period=1,
                             options=["--policy-trust",
                                      trust_of(directory)])
        os.mkdir(daemon.state, 0o700)
        veth.run("mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "full",
                 daemon.state)
        try:
            through(daemon, directory, guests)
        finally:
            if daemon.process and daemon.process.poll() is None:
                daemon.kill()
            veth.run("umount", daemon.state)


def enforced_again(daemon, guests):
    daemon.apply(world.policy())
    check(world.attack(guests["a-web"], guests["a-db"],
                       world.ALLOWED_PORT) == "a-db", "and applies a policy")


def verified(daemon, directory):
    found = gaps(daemon)
    reasons = {gap["reason"] for _, gap in found}
    check(reasons & {"the log had no room", "agent ended without notice"} and
          all(gap["to"] for _, gap in found),
          f"signed gaps tell what is not in the log: {sorted(reasons)}")
    check({scope for scope, _ in found} >= {"", "acme/production",
                                            "globex/test"},
          "the node and each scope")
    key = f"{directory}/key.pem"
    with open(key, "w", encoding="utf-8") as file:
        file.write(daemon.cloison("key").stdout)
    result = daemon.cloison("log", "verify", "--key", key, "--log",
                            f"{daemon.state}/log.sqlite", check=False)
    check(result.returncode == 0, f"the log is whole: {result.stdout.strip()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
