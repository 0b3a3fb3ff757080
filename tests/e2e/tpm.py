#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A node with a TPM: its key is quoted, and no other TPM stands in for it."""

import base64
import hashlib
import json
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile

import veth
from veth import check

P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


class Tpm:
    """A swtpm with a state of its own."""

    def __init__(self, directory, name):
        self.directory = f"{directory}/{name}"
        self.path = f"{self.directory}/socket"
        self.where = f"swtpm:path={self.path}"
        os.mkdir(self.directory)
        self.pid = None

    def start(self):
        pid = f"{self.directory}/pid"
        veth.run("swtpm", "socket", "--tpm2", "--tpmstate",
                 f"dir={self.directory}", "--server",
                 f"type=unixio,path={self.path}", "--flags",
                 "not-need-init,startup-clear", "--daemon", "--pid",
                 f"file={pid}")
        with open(pid, encoding="ascii") as file:
            self.pid = int(file.read())

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self):
        self.signal(signal.SIGTERM)
        veth.wait_for("swtpm ends",
                      lambda: not os.path.exists(f"/proc/{self.pid}/exe"))


def predicate(envelope):
    payload = json.loads(envelope)["payload"]
    return json.loads(base64.b64decode(payload))["predicate"]


def sized(data):
    return struct.pack(">I", len(data)) + data


def binding(der, boot, epoch, nonce):
    """What the README of the format says, computed anew."""
    return hashlib.sha256(
        b"cloison quote 1\0" + sized(der) + sized(boot.encode()) +
        sized(struct.pack(">Q", epoch)) + sized(nonce.encode())).hexdigest()


def pem(der, kind="PUBLIC KEY"):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"


def write(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return path


class Node(veth.Daemon):
    """The daemon, and a relying party beside it."""

    def __init__(self, build, directory, *options):
        super().__init__(build, directory, options=options)
        at = self.argv.index("--tpm")
        self.base = self.argv[:at] + self.argv[at + 2:]

    def use(self, *options):
        self.argv = [*self.base, *options]

    def run(self):
        """Exit status and what it said, where it does not stay."""
        result = subprocess.run(self.argv, text=True, check=False,
                                stderr=subprocess.PIPE)
        return result.returncode, result.stderr

    def save(self, name, *argv):
        return write(f"{self.directory}/{name}",
                     self.cloison("attest", *argv).stdout)

    def verify_enrol(self, record, secret, answer):
        return self.cloison("enrol", record, "--secret", secret, "--answer",
                            answer, check=False).returncode

    def verify(self, envelope, *argv):
        return self.cloison("verify", envelope, *argv, check=False).returncode


def trust(directory, record):
    """A store of the file key and the attestation key, as enrolled."""
    ak = bytes.fromhex(predicate(record)["ak"])
    of_node = {"roles": ["attest"], "node": socket.gethostname()}
    keys = [{"name": "file", "pem": read(f"{directory}/file.pem"), **of_node},
            {"name": "tpm", **of_node,
             "ak": "000b" + hashlib.sha256(ak).hexdigest()}]
    return write(f"{directory}/trust.json", json.dumps(
        {"apiVersion": "cloison/v1", "kind": "TrustStore", "keys": keys}))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def check_quote(directory, claims, quote, epoch, nonce):
    """By tpm2-tools, with a binding that is computed here."""
    ak = bytes.fromhex(claims["ak"])
    point = b"\4" + ak[-66:-34] + ak[-32:] # two TPM2B of 32 bytes
    der = base64.b64decode("".join(
        claims["key"]["pem"].splitlines()[1:-1]))
    qualification = binding(der, claims["node"]["bootId"], epoch, nonce)
    argv = ["tpm2_checkquote", "-Q", "-u",
            write(f"{directory}/ak.pem", pem(P256 + point)), "-m",
            write(f"{directory}/msg", bytes.fromhex(quote["attest"])), "-s",
            write(f"{directory}/sig", bytes.fromhex(quote["signature"])), "-q"]
    quiet = {"check": False, "stderr": subprocess.DEVNULL}
    good = subprocess.run([*argv, qualification], **quiet).returncode
    bad = subprocess.run([*argv, "00" * 32], **quiet).returncode
    check(good == 0 and bad != 0, "tpm2_checkquote says the same")


def whole_log(daemon, path):
    log = sqlite3.connect(f"file:{daemon.state}/log.sqlite?mode=ro", uri=True)
    rows = log.execute("SELECT envelope FROM records ORDER BY rowid").fetchall()
    log.close()
    return write(path, "".join(row[0] + "\n" for row in rows))


def bound(daemon, directory):
    """Statements by a key that the TPM vouches for; the trust store."""
    record = daemon.save("record.json", "--scope", "node-key")
    store = trust(directory, read(record))
    claims = predicate(read(record))
    by = ("--trust", store, "--node-key", record, "--require-key", "tpm-bound")

    envelope = daemon.save("a.json")
    statement = predicate(read(envelope))
    check(statement["key"] == {"id": claims["key"]["id"], "protection": "tpm"},
          "the statement says tpm")
    check(daemon.verify(envelope, *by) == 0, "and the record bears it out")
    check(daemon.verify(record, "--trust", store) == 0,
          "the record itself verifies")
    check(daemon.verify(envelope, "--trust", store) == 1,
          "without the record the key is a stranger's")
    key = write(f"{directory}/key.pem", claims["key"]["pem"])
    check(daemon.verify(envelope, "--key", key) == 0 and
          daemon.verify(envelope, "--key", key, *by[-2:]) == 1,
          "no record, no tpm-bound")
    check(daemon.verify(envelope, "--trust", store, "--node-key", envelope) == 2,
          "a statement is no record")
    check_quote(directory, claims, claims["quote"], 0, "")
    check_quote(directory, claims, statement["quote"],
                statement["policy"]["epoch"], "")

    fresh = daemon.save("n.json", "--nonce", "c0ffee")
    check(daemon.verify(fresh, *by, "--nonce", "c0ffee") == 0,
          "the TPM answers a challenge")
    check_quote(directory, claims, predicate(read(fresh))["quote"],
                statement["policy"]["epoch"], "c0ffee")
    return store


def enrolled(daemon, directory, store):
    """The control plane challenges the TPM that a record names."""
    record, secret = f"{directory}/record.json", f"{directory}/secret.json"
    challenge = write(f"{directory}/challenge.json", daemon.cloison(
        "enrol", record, "--secret", secret).stdout)
    check(daemon.verify_enrol(record, secret, "00" * 32) == 3,
          "a guess is no answer")
    answer = daemon.cloison("enrol", challenge, "--activate").stdout.strip()
    entry = json.loads(daemon.cloison(
        "enrol", record, "--secret", secret, "--answer", answer).stdout)
    check(entry["ak"] == json.loads(read(store))["keys"][1]["ak"],
          "the TPM's answer enrols its attestation key")
    changed = json.loads(read(challenge))
    digits = changed["credential"]
    changed["credential"] = digits[:-1] + format(int(digits[-1], 16) ^ 1, "x")
    write(challenge, json.dumps(changed))
    check(daemon.cloison("enrol", challenge, "--activate",
                         check=False).returncode == 3,
          "what was not wrapped for it, it does not give back")


def check_tree(daemon, directory):
    """The log is whole, by the file key that is kept or that it names."""
    path = f"{daemon.state}/log.sqlite"
    kept = daemon.cloison("key", "--log").stdout
    check(kept == read(f"{directory}/file.pem"), "the file key signs the log")
    for by in ((), ("--key", f"{directory}/file.pem")):
        tree = daemon.cloison("log", "verify", "--log", path, *by, check=False)
        check(tree.returncode == 0, f"the log is whole {by} "
              f"{tree.stdout.strip()}{tree.stderr.strip()}")
    key = write(f"{directory}/key.pem", daemon.cloison("key").stdout)
    check(daemon.cloison("log", "verify", "--log", path, "--key", key,
                         check=False).returncode == 1,
          "a start's key signs no log")
    events = daemon.cloison("log", "export", "--format", "ocsf", "--log", path)
    check(events.stdout.count("\n") > 0, "its findings go out")
    check(daemon.cloison("log", "proof", "0", "--log", path).stdout
          .startswith("c2sp.org/tlog-proof@v1"), "and proofs")


def restarted(daemon, directory, store):
    """kill -9: another key, the same chain."""
    before = daemon.json("key")["id"]
    daemon.kill()
    daemon.start()
    check(daemon.json("key")["id"] != before, "each start has a key of its own")
    controls = veth.failed_controls(predicate(
        daemon.cloison("attest").stdout))
    check("att.authentic-fresh" not in controls, "the log goes on")
    log = whole_log(daemon, f"{directory}/log.jsonl")
    found = daemon.json("verify", log, "--trust", store, "--node-key", log,
                        "--chain-complete")
    reasons = [s["reason"] for s in found["statements"]
               if s["result"] == "NOT-AUTHENTIC"]
    check(not reasons, f"the whole log verifies {reasons}")
    check_tree(daemon, directory)
    with open(f"{daemon.state}/node.key", encoding="ascii") as file:
        check("PRIVATE KEY" in file.read(), "the file key stays for later")
    files = subprocess.run(["grep", "-rlF", "PRIVATE KEY", daemon.state],
                           check=False, capture_output=True, text=True).stdout
    check(files.split() == [f"{daemon.state}/node.key"],
          "no other private key is on disk")


def hung(daemon, tpm, store, directory):
    """A TPM that stops answering costs the quote, not the daemon."""
    record = daemon.save("record.json", "--scope", "node-key")
    tpm.signal(signal.SIGSTOP)
    for _ in range(2):
        late = daemon.save("late.json", "--nonce", "aa")
    tpm.signal(signal.SIGCONT)
    by = ("--trust", store, "--node-key", record, "--nonce", "aa")
    check("quote" not in predicate(read(late)), "no quote, but a statement")
    check(daemon.verify(late, *by) == 0 and
          daemon.verify(late, *by, "--require-key", "tpm-bound") == 1,
          "which does not pass for an answer of the TPM")
    check(daemon.stop() == 0, "the daemon stops in order")


def changed(daemon, directory, first, store):
    other = Tpm(directory, "other")
    other.start()
    daemon.use("--tpm", other.where)
    code, said = daemon.run()
    check(code == 3 and said.count("refused to start") == 1 and
          "another TPM" in said, "another TPM is refused")
    daemon.use("--tpm", first.where)
    first.stop()
    code, said = daemon.run()
    check(code == 3 and "no TPM" in said, "so is none in its place")
    if not os.path.exists("/dev/tpmrm0"):
        daemon.use()
        code, said = daemon.run()
        check(code == 3 and "gone" in said, "also where none is named")

    daemon.use("--tpm", "none")
    daemon.start()
    check(daemon.predicate()["key"]["protection"] == "file",
          "the file key signs if it is told to, and says so")
    daemon.stop()
    daemon.use("--tpm", other.where, "--reenrol")
    code, said = daemon.run()
    check(code == 0 and "now the node's" in said, "unless an operator says so")
    daemon.use("--tpm", other.where)
    daemon.start()
    record = daemon.save("record.json", "--scope", "node-key")
    envelope = daemon.save("a.json")
    check(daemon.verify(envelope, "--trust", store, "--node-key", record) == 1,
          "who trusts the first TPM does not trust the next")
    check(daemon.stop() == 0, "the daemon stops in order")


def main(build):
    veth.inside()
    policy = {"node": {"apiVersion": "cloison/v1", "kind": "Node",
                       "name": socket.gethostname(), "bridges": ["clobr0"],
                       "addresses": ["10.0.0.1"]}}
    veth.run("ip", "link", "add", "clobr0", "type", "bridge")
    with tempfile.TemporaryDirectory() as directory:
        daemon = Node(build, directory)
        daemon.use("--tpm", "none")
        daemon.start()
        daemon.apply(policy)
        check(daemon.predicate()["key"]["protection"] == "file",
              "no TPM: the statement says file")
        check(daemon.cloison("attest", "--scope", "node-key",
                             check=False).returncode == 4,
              "and nothing vouches for the key")
        write(f"{directory}/file.pem", daemon.cloison("key").stdout)
        daemon.stop()

        tpm = Tpm(directory, "first")
        tpm.start()
        daemon.use("--tpm", tpm.where)
        daemon.start()
        store = bound(daemon, directory)
        enrolled(daemon, directory, store)
        restarted(daemon, directory, store)
        hung(daemon, tpm, store, directory)
        changed(daemon, directory, tpm, store)


if __name__ == "__main__":
    main(*sys.argv[1:])
