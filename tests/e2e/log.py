#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A daemon's own log: whole, provable with others' tools, and what was done to it found."""

import base64
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

import veth
import world
from veth import check

INTEROP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "interop")

# What makes a log of version 1 out of one of today.
TO_VERSION_1 = """
DROP TABLE log; DROP TABLE leaves; DROP TABLE nodes; DROP TABLE checkpoints;
DROP TABLE removed; DROP INDEX records_digest; PRAGMA user_version = 1;
"""


def meddle(path, sql):
    database = sqlite3.connect(path)
    database.executescript(sql)
    database.close()


class Auditor:
    """Has a copy of the log, the node's key, and the last checkpoint."""

    def __init__(self, daemon, directory):
        self.daemon, self.directory = daemon, directory
        self.key, self.log = self.path("key.pem"), self.path("log.sqlite")
        with open(self.key, "w", encoding="utf-8") as file:
            file.write(daemon.cloison("key").stdout)
        self.verifier = None

    def path(self, name):
        return f"{self.directory}/{name}"

    def copy(self, name="log.sqlite"):
        """The log as a file of its own; the daemon may go on writing."""
        source = sqlite3.connect(f"file:{self.daemon.state}/log.sqlite?mode=ro",
                                 uri=True)
        if os.path.exists(self.path(name)):
            os.unlink(self.path(name))
        source.execute("VACUUM INTO ?", (self.path(name),))
        source.close()
        return self.path(name)

    def run(self, *argv, log=None):
        return self.daemon.cloison("log", *argv, "--key", self.key, "--log",
                                   log or self.log, check=False)

    def whole(self, *argv, log=None):
        result = self.run("verify", "--json", *argv, log=log)
        said = json.loads(result.stdout)
        check(result.returncode == 0 and said["verdict"] == "WHOLE",
              f"whole: {said['reason']}")
        self.verifier = said["verifier"]
        return said["entries"]

    def found(self, what, words, *argv, log=None):
        result = self.run("verify", *argv, log=log)
        line = result.stdout.strip()
        check(result.returncode == 1 and line.startswith("NOT AUTHENTIC: ")
              and "\n" not in line and words in line, f"{what}: {line}")


def attest(daemon, n):
    for i in range(n):
        daemon.cloison("attest", "--nonce", f"{i:04x}")


# What is done to a copy of the log, and words of the line that tells it.
TAMPERING = [
    ("altered", "UPDATE records SET envelope = replace(envelope, 'sig', 'sog') "
     "WHERE id = 3", "its record is not the one that was logged"),
    ("altered in a column", "UPDATE records SET verdict = 'INCONCLUSIVE' "
     "WHERE id = 3", "its record says other than its statement"),
    ("another payload", "UPDATE records SET envelope = (SELECT envelope FROM "
     "records WHERE id = 2) WHERE id = 3", "not the one that was logged"),
    ("removed", "DELETE FROM records WHERE id = 3", "its record is gone"),
    ("removed with its entry", "DELETE FROM records WHERE id = 3;"
     "DELETE FROM leaves WHERE record = 3", "entry 2 is missing"),
    ("reordered", "UPDATE leaves SET id = -1 WHERE id = 2;"
     "UPDATE leaves SET id = 2 WHERE id = 3;"
     "UPDATE leaves SET id = 3 WHERE id = -1", "another is due in its boot"),
    ("duplicated", "INSERT INTO records SELECT 9999, 'x', sequence, kind, scope, "
     "time, verdict, digest, envelope FROM records WHERE id = 3",
     "1 records are no entries"),
    ("cut", "DELETE FROM leaves WHERE id > 3; DELETE FROM records WHERE id > 4",
     "the log was cut"),
    ("another tree", "UPDATE nodes SET hash = zeroblob(32) WHERE level = 1 "
     "AND position = 1", "the tree above it is another's"),
    ("no checkpoint", "DELETE FROM checkpoints", "the last checkpoint is of 0"),
]

CUT = """
DELETE FROM leaves WHERE id >= {n}; DELETE FROM records WHERE id > {n};
DELETE FROM nodes WHERE (position + 1) << level > {n};
DELETE FROM checkpoints WHERE size > {n};
"""


def tamper(auditor):
    for what, sql, words in TAMPERING:
        log = shutil.copy(auditor.log, auditor.path("tampered"))
        meddle(log, sql)
        auditor.found(what, words, log=log)


def cut(auditor, first, last):
    """To what a checkpoint of its own vouches for: only a later one tells."""
    log = shutil.copy(auditor.log, auditor.path("cut"))
    with open(first, encoding="utf-8") as file:
        size = int(file.read().splitlines()[1])
    meddle(log, CUT.format(n=size))
    check(auditor.whole("--checkpoint", first, log=log) == size,
          "a log cut to an old checkpoint looks whole")
    auditor.found("against a later one", "the log was cut", "--checkpoint",
                  last, log=log)
    result = auditor.run("consistency", last, log=log)
    check(result.returncode == 1 and "was cut" in result.stderr,
          result.stderr.strip())


def interop(auditor, old, program):
    """Go's sumdb reads what we wrote."""
    def go(*argv, good=True):
        result = subprocess.run([program, auditor.verifier, *argv], text=True,
                                capture_output=True, check=False)
        check((result.returncode == 0) == good,
              f"Go: {(result.stdout or result.stderr).strip()[:70]}")
        return result.stdout

    tiles, proof, growth = (auditor.path(p) for p in ("tiles", "p", "g"))
    auditor.run("export", "--format", "tiles", "--output", tiles)
    go("tiles", tiles)
    for sequence in (0, 1, 4):
        result = auditor.run("proof", str(sequence), "--output", proof)
        check(result.returncode == 0, f"a proof of {sequence}")
        entry = json.loads(go("proof", proof).split(": ", 1)[1])
        check(entry["kind"] == "dsse", "of a Rekor entry")
    auditor.run("consistency", old, "--output", growth)
    go("growth", growth, old)

    with open(proof, encoding="utf-8") as file:
        text = file.read()
    with open(proof, "w", encoding="utf-8") as file:
        file.write(text.replace("index 4", "index 3"))
    go("proof", proof, good=False)


def lone_verifier(auditor, origin):
    """The key as signed-note has it, from the PEM alone."""
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", auditor.key,
                          "-outform", "DER"], check=True,
                         capture_output=True).stdout
    typed = b"\x01" + der[-32:]
    name = hashlib.sha256(origin.encode() + b"\n" + typed).digest()[:4].hex()
    return f"{origin}+{name}+{base64.b64encode(typed).decode()}"


def openssl(auditor, signed, signature):
    data, sig = auditor.path("data"), auditor.path("sig")
    with open(data, "wb") as file:
        file.write(signed)
    with open(sig, "wb") as file:
        file.write(signature)
    return subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin",
                           "-inkey", auditor.key, "-in", data, "-sigfile", sig],
                          check=False, capture_output=True).returncode == 0


def with_openssl(auditor):
    """OpenSSL alone: the checkpoint's text, and what the envelope signs."""
    with open(auditor.path("tiles/checkpoint"), encoding="utf-8") as file:
        text, lines = file.read().split("\n\n")
    text += "\n"
    origin = text.splitlines()[0]
    check(auditor.verifier == lone_verifier(auditor, origin),
          f"the verifier key is {auditor.verifier}")
    signature = base64.b64decode(lines.split()[2])[4:]
    check(openssl(auditor, text.encode(), signature),
          "OpenSSL verifies the checkpoint")
    check(not openssl(auditor, text.encode() + b"\n", signature),
          "and no other text")

    lines = auditor.run("export").stdout.splitlines()
    for line in map(json.loads, lines[:3]):
        envelope = json.loads(line["envelope"])
        payload = base64.b64decode(envelope["payload"])
        kind = envelope["payloadType"]
        pae = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        check(openssl(auditor, pae, signature)
              and not openssl(auditor, pae + b"x", signature),
              f"OpenSSL verifies statement {line['sequence']}")
        spec = json.loads(line["entry"])["spec"]
        check(spec["payloadHash"]["value"] == hashlib.sha256(payload).hexdigest()
              and spec["envelopeHash"]["value"] == hashlib.sha256(
                  line["envelope"].encode()).hexdigest()
              and hashlib.sha256(b"\x00" + line["entry"].encode()).hexdigest()
              == line["hash"], "its entry names it")


def events(auditor):
    """The same findings in the words of other people's tools."""
    entries = [json.loads(line) for line in
               auditor.run("export").stdout.splitlines()]
    assessed = set()
    for entry in entries:
        payload = json.loads(base64.b64decode(
            json.loads(entry["envelope"])["payload"]))
        assessed |= {f"{entry['digest']}/{control['id']}" for control in
                     payload["predicate"].get("controls", [])
                     if control["result"] != "NOT-ASSESSED"}
        if "gap" in payload["predicate"]:
            assessed.add(f"{entry['digest']}/log.gap")
    check(len(assessed) > 20, f"{len(assessed)} findings")
    for form, identity in (
            ("ocsf", lambda e: e["class_uid"] == 2003
             and e["finding_info"]["uid"]),
            ("ecs", lambda e: e["ecs"]["version"] == "8.11.0"
             and e["event"]["id"])):
        lines = auditor.run("export", "--format", form).stdout.splitlines()
        check({identity(json.loads(line)) for line in lines} == assessed,
              f"{form}: every finding is an event")
    lines = auditor.run("export", "--format", "cef").stdout.splitlines()
    check(all(re.match(r"<1\d\d>1 \S+ \S+ cloison - isolation - CEF:0\|", line)
              for line in lines)
          and {re.search(r" externalId=(\S+)", line).group(1)
               for line in lines} == assessed, "cef: every finding is a line")


def fork(auditor, daemon):
    """The log is set back, and the node goes on: two trees of one size."""
    kept = auditor.path("kept")
    daemon.stop()
    saved = auditor.copy("saved")
    for log in ("one", "two"):
        for name in os.listdir(daemon.state):
            if name.startswith("log.sqlite"):
                os.unlink(f"{daemon.state}/{name}")
        shutil.copy(saved, f"{daemon.state}/log.sqlite")
        os.chmod(f"{daemon.state}/log.sqlite", 0o600)
        daemon.start()
        attest(daemon, 2 if log == "one" else 4)
        daemon.stop()
        auditor.copy(log)
    auditor.whole("--output", kept, log=auditor.path("one"))
    auditor.whole(log=auditor.path("two"))
    auditor.found("two trees of one size", "two trees", "--checkpoint", kept,
                  log=auditor.path("two"))


def migrate(auditor, daemon):
    """A log of version 1 gets its tree when the daemon starts."""
    meddle(f"{daemon.state}/log.sqlite", TO_VERSION_1)
    result = auditor.run("verify", log=f"{daemon.state}/log.sqlite")
    check(result.returncode == 2, result.stderr.strip())
    daemon.start()
    check(auditor.whole(log=auditor.copy("migrated")) > 10,
          "a log of version 1 has its tree")


def main(build):
    veth.inside()
    world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(world.policy(acme=world.tenant("acme", [])))
        attest(daemon, 4)
        auditor = Auditor(daemon, directory)
        first, last = auditor.path("first"), auditor.path("last")
        before = auditor.whole("--output", first,
                               log=f"{daemon.state}/log.sqlite")
        daemon.kill()
        daemon.start()
        attest(daemon, 3)
        auditor.copy()
        check(auditor.whole("--checkpoint", first, "--output", last) > before,
              "it goes on from the checkpoint after a kill -9")

        tamper(auditor)
        cut(auditor, first, last)
        program = auditor.path("interop")
        veth.run("go", "build", "-o", program, ".", cwd=INTEROP, env=dict(
            os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode",
            GOCACHE=auditor.path("gocache"), HOME=directory))
        interop(auditor, first, program)
        with_openssl(auditor)
        events(auditor)
        fork(auditor, daemon)
        migrate(auditor, daemon)
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
