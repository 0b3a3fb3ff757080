#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The control plane's policy: signed, by way of a broker, into the kernel; and
what became of it, in the node's stream. Whoever else puts it there has nothing.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import gateway_rig
import stream
import veth
import world
from veth import check

NODE = "e2e"
STRANGER = 6  # exit code: not permitted


def opening(port):
    """A policy that lets acme's web reach its db on this port."""
    return world.policy(acme=world.tenant("acme", [
        {"name": "web-to-db", "from": {"group": "web"}, "to": {"group": "db"},
         "ports": [f"tcp/{port}"]}]))


def crossing():
    return world.policy(acme=world.tenant("acme", [
        {"name": "leak", "from": {"group": "web"},
         "to": {"environment": "test", "group": "web"},
         "ports": ["tcp/443"]}]))


class Plane:
    """The control plane: a key for policies, a bucket and the stream."""

    def __init__(self, build, directory):
        self.build, self.home = build, directory
        self.keys = {}
        for name in ("plane", "revoked", "stranger"):
            path = self.keys[name] = f"{directory}/{name}.key"
            veth.run("openssl", "genpkey", "-algorithm", "ed25519", "-out",
                     path, stderr=subprocess.DEVNULL)
            os.chmod(path, 0o600)
        self.trust = f"{directory}/policy-trust.json"
        self.broker = stream.Broker(Path(directory))
        self.authority = stream.Authority(Path(directory))
        self.start_broker()

    def start_broker(self):
        """As docs/nats.conf has it, and one user more: the control plane."""
        conf = (stream.ROOT / "docs/nats.conf").read_text()
        self.authority.issue("broker")
        for path, name in (("/etc/nats/broker.pem", "broker.pem"),
                           ("/etc/nats/broker.key", "broker.key"),
                           ("/etc/nats/nodes-ca.pem", "ca.pem"),
                           ("hv-1", NODE)):
            conf = conf.replace(path, name if name == NODE
                                else f"{self.home}/{name}")
        conf = conf.replace("users = [", 'users = [\n{user: "CN=control"}')
        Path(f"{self.home}/nats.conf").write_text(conf, encoding="utf-8")
        self.broker.config = ["-c", f"{self.home}/nats.conf"]
        self.broker.pems = self.authority.issue("control")
        self.broker.start()
        self.broker.tool("make")
        self.broker.tool("bucket")

    def install_trust(self):
        """What an operator puts on the node."""
        def entry(name, **more):
            pem = veth.output("openssl", "pkey", "-in", self.keys[name],
                              "-pubout")
            return {"name": name, "roles": ["policy"], "pem": pem} | more
        with open(self.trust, "w", encoding="utf-8") as file:
            json.dump({"apiVersion": "cloison/v1", "kind": "TrustStore",
                       "keys": [entry("plane"),
                                entry("revoked",
                                      revoked="2026-01-01T00:00:00Z")]}, file)

    def bundle(self, revision, documents, key="plane", node=NODE, *options):
        """As the control plane makes it, by the tool that is shipped."""
        with tempfile.TemporaryDirectory() as policy:
            for name, document in documents.items():
                with open(f"{policy}/{name}.json", "w",
                          encoding="utf-8") as file:
                    json.dump(document, file)
            return veth.output(
                f"{self.build}/agent/cli/cloison", "bundle", policy, "--node",
                node, "--revision", str(revision), "--signing-key",
                self.keys[key], *options).strip()

    def put(self, bundle):
        subprocess.run([stream.BUILD / "tests/e2e/stream/stream_tool",
                        self.broker.url, f"put:{NODE}", *self.broker.pems],
                       input=bundle, text=True, check=True)

    def envelopes(self):
        return self.broker.tool("data").splitlines()

    def records(self, kind):
        """Predicates of that kind in the stream, in its order."""
        found = []
        for envelope in self.envelopes():
            statement = json.loads(
                base64.b64decode(json.loads(envelope)["payload"]))
            if statement["predicateType"].endswith(kind):
                found.append(statement["predicate"])
        return found

    def acks(self):
        return [(ack["bundle"]["revision"], ack["outcome"])
                for ack in self.records("policy-ack/v1")]

    def await_ack(self, revision, outcome):
        """The last word is this; its predicate."""
        veth.wait_for(f"revision {revision} is {outcome}", lambda:
                      self.acks()[-1:] == [(revision, outcome)], 180)
        return self.records("policy-ack/v1")[-1]


class Sender:
    """cloison-stream, as its own user."""

    def __init__(self, build, directory, daemon, plane):
        ca, certificate, key = plane.authority.issue(NODE)
        for path in (ca, certificate, key):
            os.chown(path, gateway_rig.STREAM_UID, -1)
        binary = f"{directory}/cloison-stream"
        veth.run("cp", f"{build}/agent/stream/cloison-stream", binary)
        self.log = f"{directory}/stream.log"
        self.plane = plane
        self.argv = [*gateway_rig.become(gateway_rig.STREAM_UID), binary,
                     "--node", NODE, "--ca", ca, "--certificate", certificate,
                     "--key", key, "--policy", "cloison-policy", "--socket",
                     daemon.socket, "--log", f"{daemon.state}/log.sqlite"]
        self.process = None

    def start(self):
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*self.argv, "--broker", self.plane.broker.url], stderr=log)

    def stop(self):
        self.process.terminate()
        check(self.process.wait(veth.DEADLINE) == 0, "the sender ends in order")

    def read_log(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def says(self, words):
        try:
            veth.wait_for(f"the sender says {words!r}",
                          lambda: words in self.read_log(), 180)
        except AssertionError as error:
            raise AssertionError(self.read_log()[-2000:]) from error


class World:
    """The node, its guests, and what is expected of them."""

    def __init__(self, build, directory):
        self.guests = world.build()
        self.plane = Plane(build, directory)
        self.daemon = veth.Daemon(build, directory, options=[
            "--policy-trust", self.plane.trust])
        self.daemon.start()
        self.daemon.apply(opening(world.ALLOWED_PORT))
        self.sender = Sender(build, directory, self.daemon, self.plane)
        self.sender.start()

    def in_force(self):
        status = self.daemon.json("status")
        return status["epoch"], status["policy"]

    def opens(self, port):
        """Of the two ports acme's web reaches its db on this one."""
        web, db = self.guests["a-web"], self.guests["a-db"]
        for one in (world.ALLOWED_PORT, world.FORBIDDEN_PORT):
            who = world.attack(web, db, one)
            check(who == ("a-db" if one == port else ""),
                  f"port {one} {'passes' if who else 'is closed'}")

    def unchanged(self, before, what):
        check(self.in_force() == before, f"{what}: nothing has changed")


def check_keys(rig):
    """No key, no policy from outside."""
    before = rig.in_force()
    rig.plane.put(rig.plane.bundle(1, opening(world.FORBIDDEN_PORT)))
    rig.sender.says("no key for policies is installed")
    rig.unchanged(before, "without a key")
    rig.plane.install_trust()
    os.chmod(rig.plane.trust, 0o666)
    rig.sender.says("written by nobody else")
    rig.unchanged(before, "with a file that others may write")
    os.chmod(rig.plane.trust, 0o644)


def check_applied(rig):
    """It is looked at again until it is let in."""
    ack = rig.plane.await_ack(1, "applied")
    check((ack["policy"]["epoch"], ack["policy"]["digest"]) == rig.in_force(),
          "the acknowledgement tells what is in force")
    check(ack["verdict"] == "PASSED" and ack["scope"] is None, "as done")
    rig.opens(world.FORBIDDEN_PORT)
    rig.plane.put(rig.plane.bundle(5, opening(world.ALLOWED_PORT)))
    rig.plane.await_ack(5, "applied")
    rig.opens(world.ALLOWED_PORT)


def check_rollback(rig):
    before = rig.in_force()
    told = len(rig.plane.records("violation/v1"))
    for revision, port in ((4, world.FORBIDDEN_PORT), (5, 9)):
        rig.plane.put(rig.plane.bundle(revision, opening(port)))
        rig.plane.await_ack(revision, "replayed")
    told = rig.plane.records("violation/v1")[told:]
    check([v["violations"][0]["control"] for v in told] ==
          ["agt.self-integrity"] * 2, "each is a violation")
    check("revision 4 came after revision 5" in
          told[0]["violations"][0]["detail"], "which says what came")
    rig.unchanged(before, "an older one, or another of that revision")
    rig.opens(world.ALLOWED_PORT)


def check_refused(rig):
    before = rig.in_force()
    rig.plane.put(rig.plane.bundle(6, crossing()))
    ack = rig.plane.await_ack(6, "refused")
    check("acme/production/leak" in ack["reason"] and
          "environment separation" in ack["reason"],
          f"with the rule: {ack['reason']}")
    check((ack["policy"]["epoch"], ack["policy"]["digest"]) == before,
          "and what is in force")
    rig.unchanged(before, "a policy that the prover refuses")
    rig.opens(world.ALLOWED_PORT)
    rig.plane.put(rig.plane.bundle(5, opening(world.ALLOWED_PORT)))
    veth.wait_for("the older one comes again", lambda: rig.plane.acks()[-1][1]
                  == "replayed")
    rig.unchanged(before, "one older than what was refused")


def forgeries(plane):
    good = json.loads(plane.bundle(20, opening(world.FORBIDDEN_PORT)))
    payload = json.loads(base64.b64decode(good["payload"]))
    altered = dict(good, payload=base64.b64encode(json.dumps(
        payload | {"revision": 21}).encode()).decode())
    other = plane.bundle(20, opening(world.FORBIDDEN_PORT), "stranger")
    named = json.loads(other)
    named["signatures"][0]["keyid"] = good["signatures"][0]["keyid"]
    typed = dict(good, payloadType="application/vnd.in-toto+json")
    return {
        "an altered one": json.dumps(altered),
        "a stranger's": other,
        "a stranger's under a trusted name": json.dumps(named),
        "a statement's type": json.dumps(typed),
        "a revoked key's": plane.bundle(20, opening(world.FORBIDDEN_PORT),
                                        "revoked"),
        "no JSON": "policy",
        "too much": json.dumps(dict(good, payload="A" * (8 << 20))),
        "nothing": "",
    }


def check_forged(rig):
    """Neither in force nor in the log: nobody has signed it."""
    before, acks = rig.in_force(), rig.plane.acks()
    for what, bundle in forgeries(rig.plane).items():
        reply = gateway_rig.ask(rig.daemon, {"op": "bundle",
                                             "envelope": bundle}, 0)
        check(not reply["ok"], f"{what}: {reply['error']}")
        rig.unchanged(before, what)
    rig.plane.put(forgeries(rig.plane)["an altered one"])
    rig.sender.says("its signature is false")
    rig.plane.put(rig.plane.bundle(6, crossing())) # which is decided
    rig.unchanged(before, "by the broker")
    check(rig.plane.acks() == acks, "and not a word of it in the log")


def bring(rig, bundle):
    reply = gateway_rig.ask(rig.daemon, {"op": "bundle", "envelope": bundle},
                            gateway_rig.STREAM_UID)
    return reply["result"]["outcome"] if reply["ok"] else reply["error"]


def check_compromised(rig):
    """Code in the stream's process: what it may ask, and what that gives."""
    before, acks = rig.in_force(), len(rig.plane.acks())
    uid = gateway_rig.STREAM_UID
    for op in ("activate", "apply", "attest", "define", "endpoints", "harden",
               "hook", "key", "matrix", "plan", "prove", "status", "trace"):
        reply = gateway_rig.ask(rig.daemon, {
            "op": op, "documents": [], "override": True, "xml": "",
            "operation": "prepare"}, uid)
        check(not reply["ok"] and reply["exit"] == STRANGER,
              f"it may not ask for {op}")
    for op in ("monitor", "flows"):
        check(not gateway_rig.ask(rig.daemon, {"op": op}, uid)["ok"],
              f"nor for {op}")
    reply = gateway_rig.ask(rig.daemon, {"op": "bundle", "envelope": "{}"})
    check(reply["exit"] == STRANGER, "the gateway may not bring a bundle")
    old = rig.plane.bundle(2, opening(world.FORBIDDEN_PORT))
    own = rig.plane.bundle(7, opening(world.FORBIDDEN_PORT), node="other")
    outcomes = [bring(rig, bundle) for bundle in [old, own] * 10]
    check(set(outcomes) == {"replayed", "foreign", "too many bundles: ask "
                            "again later"}, "what was signed once, and rarely")
    veth.wait_for("they are told", lambda: len(rig.plane.acks()) > acks + 1)
    check(len(rig.plane.acks()) == acks + 2, "and told of once")
    rig.unchanged(before, "whatever it brings")
    denied = subprocess.run(
        [*gateway_rig.become(uid), "cat", f"{rig.daemon.state}/bundle.json",
         f"{rig.daemon.state}/node.key"], capture_output=True, text=True,
        check=False)
    check(denied.returncode and not denied.stdout, "it reads no state, no key")


def check_absences(rig):
    """What was put there while somebody was away is picked up."""
    rig.plane.broker.kill()
    rig.plane.broker.start()
    rig.plane.put(rig.plane.bundle(10, opening(world.FORBIDDEN_PORT)))
    rig.plane.await_ack(10, "applied")
    rig.opens(world.FORBIDDEN_PORT)
    rig.sender.stop()
    rig.plane.put(rig.plane.bundle(11, opening(world.ALLOWED_PORT)))
    rig.sender.start()
    rig.plane.await_ack(11, "applied")
    rig.daemon.kill()
    rig.plane.put(rig.plane.bundle(12, opening(world.FORBIDDEN_PORT)))
    rig.sender.says("does not take it")
    rig.daemon.start()
    rig.plane.await_ack(12, "applied")
    rig.opens(world.FORBIDDEN_PORT)
    before = rig.in_force()
    rig.plane.put(rig.plane.bundle(3, opening(world.ALLOWED_PORT)))
    rig.plane.await_ack(3, "replayed")
    rig.unchanged(before, "what was seen before the restart")


def check_operator(rig):
    before = rig.in_force()
    refused = rig.daemon.apply(opening(world.ALLOWED_PORT), check=False)
    check(refused.returncode == 3 and "--override" in refused.stderr,
          "a local policy does not go over a bundle")
    rig.unchanged(before, "without --override")
    rig.daemon.cloison("apply", f"{rig.daemon.directory}/policy", "--override")
    rig.plane.await_ack(12, "overridden")
    rig.opens(world.ALLOWED_PORT)
    rig.daemon.apply(opening(world.ALLOWED_PORT))
    rig.plane.put(rig.plane.bundle(12, opening(world.FORBIDDEN_PORT)))
    rig.sender.says("revision=12 applied")
    rig.opens(world.ALLOWED_PORT)
    rig.plane.put(rig.plane.bundle(13, opening(world.FORBIDDEN_PORT), "plane",
                                   NODE, "--not-after",
                                   "2026-01-01T00:00:00Z"))
    rig.plane.await_ack(13, "expired")
    rig.opens(world.ALLOWED_PORT)
    rig.plane.put(rig.plane.bundle(14, opening(world.FORBIDDEN_PORT)))
    rig.plane.await_ack(14, "applied")
    rig.opens(world.FORBIDDEN_PORT)


def check_permissions(rig):
    """A node reads its own key, and no other's."""
    own = rig.plane.broker
    node = stream.Broker(Path(rig.plane.home))
    node.port = own.port
    node.pems = [*rig.plane.authority.issue(NODE), NODE]
    there = rig.plane.bundle(14, opening(world.FORBIDDEN_PORT))
    check(node.tool(f"get:{NODE}") == there, "its own bundle is there")
    for word in ("get:other", f"put:{NODE}"):
        try:
            node.tool(word)
        except subprocess.CalledProcessError:
            continue
        raise AssertionError(f"permitted: {word}")
    check(node.tool(f"get:{NODE}") == there, "nor is to write it")


def check_log(rig):
    """Everything is one chain, which verifies like any other."""
    home = rig.plane.home
    key = f"{home}/node.pem"
    with open(key, "w", encoding="utf-8") as file:
        file.write(rig.daemon.cloison("key").stdout)
    with open(f"{home}/all.jsonl", "w", encoding="utf-8") as file:
        file.write("\n".join(rig.plane.envelopes()) + "\n")
    said = rig.daemon.cloison("verify", f"{home}/all.jsonl", "--key", key,
                              "--chain-complete", check=False)
    check(said.returncode == 3 and "policy bundle 14 applied" in said.stdout and
          "policy bundle 6 refused: " in said.stdout and
          "NOT AUTHENTIC" not in said.stdout, "each verifies, none is missing")
    said = rig.daemon.cloison("log", "verify", "--key", key, "--log",
                              f"{rig.daemon.state}/log.sqlite")
    check("WHOLE" in said.stdout, "so does the log")


def main(build):
    veth.inside()
    gateway_rig.add_user()
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        rig = World(build, directory)
        check_keys(rig)
        check_applied(rig)
        check_rollback(rig)
        check_refused(rig)
        check_forged(rig)
        check_absences(rig)
        check_operator(rig)
        check_permissions(rig)
        check_compromised(rig)
        check_log(rig)
        rig.sender.stop()
        rig.plane.broker.kill()
        check(rig.daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
