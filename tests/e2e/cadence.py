#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is recorded when: a statement for what is new, heartbeats while it holds."""

import base64
import hashlib
import json
import sqlite3
import sys
import tempfile

import veth
import violations
import world
from veth import check

PERIOD = 2
SCOPES = {"", "acme/production", "acme/test", "globex/production",
          "globex/test"}
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Record:
    def __init__(self, row):
        self.kind, self.scope, self.envelope = row
        payload = base64.b64decode(json.loads(self.envelope)["payload"])
        self.digest = hashlib.sha256(payload).hexdigest()
        self.predicate = json.loads(payload)["predicate"]
        self.sequence = self.predicate["chain"]["sequence"]


def records(daemon, kind=None, scope=None):
    """In the log's order."""
    log = sqlite3.connect(f"file:{daemon.state}/log.sqlite?mode=ro", uri=True)
    rows = log.execute("SELECT kind, scope, envelope FROM records"
                       " ORDER BY id").fetchall()
    log.close()
    return [r for r in map(Record, rows) if kind in (None, r.kind)
            and scope in (None, r.scope)]


def beats(daemon, scope, statement):
    """The heartbeats that say that a statement holds."""
    return [r for r in records(daemon, "heartbeat/v1", scope)
            if r.predicate["statement"] == {"digest": statement.digest,
                                            "sequence": statement.sequence}]


def last_statements(daemon):
    return {s: records(daemon, "isolation/v1", s)[-1] for s in SCOPES}


def await_decided(daemon):
    """The decision code is asked behind an apply or a start, and then stated."""
    def proof():
        return last_statements(daemon)[""].predicate["proof"]
    veth.wait_for("the node's tables to be asked and compared",
                  lambda: proof()["decided"] and proof()["documents"])


def verify(daemon, envelopes, *options):
    path = f"{daemon.directory}/some.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{e}\n" for e in envelopes)
    with open(f"{daemon.directory}/key.pem", "w", encoding="utf-8") as file:
        file.write(daemon.cloison("key").stdout)
    return daemon.cloison("verify", path, "--key",
                          f"{daemon.directory}/key.pem", *options,
                          check=False).returncode


def check_quiet(daemon):
    """Nothing changes: every scope has heartbeats and no statement."""
    await_decided(daemon)
    before = last_statements(daemon)
    veth.wait_for("heartbeats of every scope", lambda: all(
        len(beats(daemon, s, before[s])) > 3 for s in SCOPES))
    after = last_statements(daemon)
    check(all(after[s].digest == before[s].digest for s in SCOPES),
          "nothing changes: no statement, heartbeats name the last one")
    for scope in SCOPES:
        one = beats(daemon, scope, before[scope])[0].predicate
        check(one["scope"] == (scope or None) and one["verdict"] == "PASSED"
              and one["node"]["bootId"] == before[scope].predicate["node"]
              ["bootId"] and "controls" not in one,
              f"a heartbeat of {scope or 'the node'} is of it alone")


def check_verify(daemon):
    """Old alone, fresh with the heartbeat that names it."""
    statement = last_statements(daemon)["acme/production"]
    veth.wait_for("the statement alone is stale", lambda: verify(
        daemon, [statement.envelope]) == 4)
    fresh = beats(daemon, "acme/production", statement)[-1]
    check(verify(daemon, [fresh.envelope, statement.envelope],
                 "--max-age", "60") == 0,
          "with a heartbeat it passes")
    check(verify(daemon, [fresh.envelope], "--max-age", "60") == 4,
          "a heartbeat alone says nothing")
    other = beats(daemon, "acme/test", last_statements(daemon)["acme/test"])[-1]
    check(verify(daemon, [other.envelope, statement.envelope],
                 "--max-age", "60") == 4, "nor does another scope's")
    whole = daemon.cloison("log", "verify", "--log",
                           f"{daemon.state}/log.sqlite", check=False)
    check(whole.returncode == 0, "the log with its heartbeats is whole")
    check(chain_of(daemon, of_boots(daemon))["result"] == "PASSED",
          "and its chain complete")
    events = daemon.cloison("log", "export", "--log",
                            f"{daemon.state}/log.sqlite", "--format", "ocsf")
    named = {r.digest for r in records(daemon, "isolation/v1")
             if r.digest in events.stdout}
    check(named and not any(r.digest in events.stdout
                            for r in records(daemon, "heartbeat/v1")),
          "no finding comes of a heartbeat")


def check_news(daemon):
    """What is new is stated by the audit that finds it."""
    before = last_statements(daemon)
    violations.plant(daemon, "a guard detached by hand", lambda:
                     violations.detach(daemon, "t-a-web"), "net.default-deny",
                     ["t-a-web"])
    told = records(daemon, "violation/v1", "acme/production")[-1]
    stated = next(r for r in records(daemon, "isolation/v1", "acme/production")
                  if r.sequence == told.sequence + 1)
    check(told.sequence > before[""].sequence and
          stated.predicate["verdict"] == "FAILED" and
          stated.predicate["time"] == told.predicate["time"],
          "a violation and the statement of it come together, at once")
    check(not any(r.scope.startswith("globex") and
                  r.predicate["verdict"] != "PASSED" for r in records(daemon)
                  if "gap" not in r.predicate),
          "and are nobody else's affair")

    before = last_statements(daemon)
    daemon.apply(world.policy(acme=world.tenant("acme", [])))
    after = {r.scope: r for r in records(daemon, "isolation/v1")
             if r.predicate["trigger"] == "apply"}
    check(all(after[s].sequence > before[s].sequence and
              after[s].predicate["policy"]["digest"] !=
              before[s].predicate["policy"]["digest"] for s in SCOPES),
          "a policy is stated when it is in force")
    check(after[""].predicate["proof"]["decided"] is None,
          "before its tables are asked all they can be")
    await_decided(daemon)
    check(last_statements(daemon)[""].predicate["proof"]["decided"]["epoch"] ==
          after[""].predicate["policy"]["epoch"], "which is stated then")


def check_asked(daemon):
    """Who asks gets a statement of this period."""
    last = last_statements(daemon)[""]
    veth.wait_for("some heartbeats", lambda: len(
        beats(daemon, "", last)) > 2)
    check(daemon.predicate()["chain"]["sequence"] > last.sequence and
          daemon.predicate()["trigger"] == "request",
          "`cloison attest` does not hand out an old statement")


def reboot(daemon, number):
    """Stop, and start as after a boot, which has an id of its own."""
    path = f"/run/boot-{number}" # dies with the namespace
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{number:08}-2222-3333-4444-555555555555\n")
    check(daemon.stop() == 0, "the daemon stops in order")
    veth.run("mount", "--bind", path, BOOT_ID)
    daemon.start()


def of_boots(daemon):
    """Under the policy's name for the node, which it had not before."""
    return [r for r in records(daemon)
            if r.predicate["node"]["bootId"].startswith("000000")]


def chain_of(daemon, some):
    """What is said of their chain; the file and the key are written anew."""
    verify(daemon, [r.envelope for r in some])
    said = daemon.json("verify", f"{daemon.directory}/some.jsonl", "--key",
                       f"{daemon.directory}/key.pem", "--chain-complete",
                       "--format", "json")
    return next(s for s in said["statements"] if s["name"] == "chain")


def check_boots(daemon):
    """The first record of a boot names the last one of the boot before."""
    check(records(daemon)[0].predicate["chain"]["previousBoot"] is None,
          "the first record of a log has nothing before it")
    reboot(daemon, 2)
    both = of_boots(daemon)
    place = next(i for i, r in enumerate(both) if i > 0 and r.sequence == 0)
    tail = both[place - 1]
    check(both[place].predicate["chain"]["previousBoot"] == {
        "bootId": tail.predicate["node"]["bootId"],
        "sequence": tail.sequence, "digest": tail.digest},
          "the first of the next boot names the last one before")
    whole = daemon.cloison("log", "verify", "--log",
                           f"{daemon.state}/log.sqlite", check=False)
    check(whole.returncode == 0, "and the log is whole")
    check(chain_of(daemon, both)["result"] == "PASSED",
          "both boots together are complete")
    del both[place - 1]
    said = chain_of(daemon, both)
    check(said["result"] == "INCONCLUSIVE" and
          f"sequence {tail.sequence} is missing" in said["reason"],
          "the last record of the boot before is missed")


def main(build):
    veth.inside()
    world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, period=PERIOD)
        daemon.start()
        daemon.apply(world.policy())
        reboot(daemon, 1)
        check_quiet(daemon)
        check_verify(daemon)
        check_news(daemon)
        check_asked(daemon)
        check_boots(daemon)
        daemon.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
