#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A bundle as the gateway gives it, before @sigstore/verify from npm: it takes
what is whole and refuses what somebody laid hands on."""

import base64
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile

import gateway_rig
import veth
import world
from veth import check

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "interop",
                    "sigstore")
PORT = 8443


def install(build):
    """The packages below the build directory, as the lock file pins them."""
    home = f"{build}/tests/interop"
    with open(f"{HERE}/package-lock.json", "rb") as file:
        lock = file.read()
    done = f"{home}/installed"
    if os.path.exists(done):
        with open(done, "rb") as file:
            if file.read() == lock:
                return f"{home}/node_modules"
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(f"{HERE}/{name}", home)
    result = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache",
         f"{home}/cache"], cwd=home, text=True, capture_output=True,
        check=False)
    if result.returncode != 0:
        print(f"skipped: npm cannot install @sigstore/verify: {result.stderr}")
        sys.exit(77)
    with open(done, "wb") as file:
        file.write(lock)
    return f"{home}/node_modules"


class Judge:
    """verify.js, with one key and one log to trust."""

    def __init__(self, modules, daemon, verifier):
        self.modules, self.daemon, self.verifier = modules, daemon, verifier
        self.key = f"{daemon.directory}/node.pem"
        with open(self.key, "w", encoding="utf-8") as file:
            file.write(daemon.cloison("key").stdout)

    def says(self, bundle, verifier=None, key=None):
        path = f"{self.daemon.directory}/bundle.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(bundle, file)
        result = subprocess.run(
            ["node", f"{HERE}/verify.js", key or self.key,
             verifier or self.verifier, path], text=True, check=False,
            capture_output=True, env=dict(os.environ, NODE_PATH=self.modules))
        if result.returncode not in (0, 1):
            raise AssertionError(result.stderr)
        return result.stdout.strip()


def flipped(text):
    """Of base64 the same with one bit of its first byte the other way."""
    data = bytearray(base64.b64decode(text))
    data[0] ^= 1
    return base64.b64encode(data).decode()


def body_of(entry, change):
    body = json.loads(base64.b64decode(entry["canonicalizedBody"]))
    change(body["spec"])
    entry["canonicalizedBody"] = base64.b64encode(
        json.dumps(body, separators=(",", ":")).encode()).decode()


def flip(where, name):
    where[name] = flipped(where[name])


# Name, what is done to the bundle (b), its entry (e) and its proof (p), what
# the refusal is called.
TAMPERING = [
    ("the payload", lambda b, e, p: flip(b["dsseEnvelope"], "payload"),
     "TLOG_BODY_ERROR"),
    ("the signature", lambda b, e, p: flip(
        b["dsseEnvelope"]["signatures"][0], "sig"), "TLOG_BODY_ERROR"),
    ("the payload's type", lambda b, e, p: b["dsseEnvelope"].update(
        payloadType="text/plain"), "SIGNATURE_ERROR"),
    ("no signature", lambda b, e, p: b["dsseEnvelope"].update(signatures=[]),
     "BUNDLE"),
    ("the key's name", lambda b, e, p: b["verificationMaterial"][
        "publicKey"].update(hint="0" * 64), "PUBLIC_KEY_ERROR"),
    ("the entry", lambda b, e, p: body_of(
        e, lambda spec: spec["payloadHash"].update(value="0" * 64)),
     "TLOG_INCLUSION_PROOF_ERROR"),
    ("the entry's kind", lambda b, e, p: e["kindVersion"].update(
        version="0.0.2"), "TLOG_BODY_ERROR"),
    ("the root", lambda b, e, p: flip(p, "rootHash"),
     "TLOG_INCLUSION_PROOF_ERROR"),
    ("the place", lambda b, e, p: p.update(
        logIndex=str(int(p["logIndex"]) ^ 1)), "TLOG_INCLUSION_PROOF_ERROR"),
    ("the path", lambda b, e, p: p["hashes"].__setitem__(
        0, flipped(p["hashes"][0])), "TLOG_INCLUSION_PROOF_ERROR"),
    ("a shorter path", lambda b, e, p: p["hashes"].pop(),
     "TLOG_INCLUSION_PROOF_ERROR"),
    ("the checkpoint", lambda b, e, p: p["checkpoint"].update(
        envelope=p["checkpoint"]["envelope"].replace("\n", "x\n", 1)),
     "TLOG_INCLUSION_PROOF_ERROR"),
    ("no entry", lambda b, e, p: b["verificationMaterial"].update(
        tlogEntries=[]), "TIMESTAMP_ERROR"),
    ("no proof", lambda b, e, p: e.pop("inclusionProof"), "BUNDLE"),
]


def tamper(judge, bundle):
    for what, change, code in TAMPERING:
        altered = copy.deepcopy(bundle)
        entry = altered["verificationMaterial"]["tlogEntries"][0]
        change(altered, entry, entry["inclusionProof"])
        said = judge.says(altered)
        check(said.startswith(f"refused: {code}:"), f"{what}: {said}")


def strangers(judge, bundle, daemon):
    """Whole, but not of whom is trusted."""
    name, _, typed = judge.verifier.split("+", 2)
    said = judge.says(bundle, f"{name}+00000000+{flipped(typed)}")
    check(said.startswith("refused: TLOG_INCLUSION_PROOF_ERROR"),
          f"another log's key: {said}")
    stranger = f"{daemon.directory}/stranger"
    for argv in (["genpkey", "-algorithm", "ed25519", "-out", stranger],
                 ["pkey", "-in", stranger, "-pubout", "-out",
                  f"{stranger}.pem"]):
        veth.run("openssl", *argv)
    said = judge.says(bundle, key=f"{stranger}.pem")
    check(said.startswith("refused: PUBLIC_KEY_ERROR"),
          f"another node's key: {said}")


def main(build):
    if os.environ.get("CLO_INSIDE") != "1":
        install(build) # the namespaces have no network
    veth.inside()
    gateway_rig.add_user()
    world.build()
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        authority = gateway_rig.Authority(f"{directory}/pki")
        authority.sign("node", "IP:127.0.0.1", "serverAuth")
        authority.sign("plane", "URI:urn:cloison:role:control-plane")
        veth.run("chown", "-R", str(gateway_rig.UID), f"{directory}/pki")
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(world.policy())
        gateway = gateway_rig.Gateway(build, directory, daemon, authority, PORT)
        gateway.start()
        client = gateway_rig.Client(authority, PORT, "plane")
        verifier = json.loads(daemon.cloison(
            "log", "verify", "--json", "--log",
            f"{daemon.state}/log.sqlite").stdout)["verifier"]
        judge = Judge(install(build), daemon, verifier)
        items = client.json("/v1/attestations?limit=100")["items"]
        check(len(items) > 5, f"{len(items)} records")
        for item in items:
            bundle = client.json(f"/v1/attestations/{item['digest']}/bundle")
            check(judge.says(bundle) == "verified",
                  f"@sigstore/verify takes {item['kind']} {item['sequence']}")
        tamper(judge, bundle)
        strangers(judge, bundle, daemon)
        check(gateway.stop() == 0 and daemon.stop() == 0, "both stop in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
