# SPDX-License-Identifier: Apache-2.0
"""What the gateway shows of the log's tree: who may see it, and that it holds."""

import base64
import hashlib
import json
import os

from gateway_rig import PROBLEM
from veth import check

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def sha256(data):
    return hashlib.sha256(data).digest()


def root_of(leaf, index, size, hashes):
    """RFC 9162, 2.1.3.2: the root that an inclusion proof leads to."""
    node, last = leaf, size - 1
    for sibling in hashes:
        if last == 0:
            raise AssertionError("the proof is too long")
        if index & 1 or index == last:
            node = sha256(b"\1" + sibling + node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\1" + node + sibling)
        index, last = index >> 1, last >> 1
    if last != 0:
        raise AssertionError("the proof is too short")
    return node


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def verify(daemon, envelope):
    for name, text in (("envelope", envelope),
                       ("key", daemon.cloison("key").stdout.encode())):
        with open(f"{daemon.directory}/{name}", "wb") as file:
            file.write(text)
    return daemon.cloison("verify", f"{daemon.directory}/envelope", "--key",
                          f"{daemon.directory}/key", "--max-age", "3600",
                          check=False).returncode


def head_of(note):
    """Size and root, as the note has them."""
    _, size, root = note.split("\n")[:3]
    return int(size), base64.b64decode(root)


def check_entry(bundle, envelope):
    """The one entry of the bundle is of this envelope and in its tree."""
    material = bundle["verificationMaterial"]
    check(material["publicKey"]["hint"] ==
          bundle["dsseEnvelope"]["signatures"][0]["keyid"], "its key")
    entry, = material["tlogEntries"]
    proof = entry["inclusionProof"]
    check(entry["kindVersion"] == {"kind": "dsse", "version": "0.0.1"} and
          entry["logIndex"] == proof["logIndex"] and
          int(entry["integratedTime"]) > 0, "the entry's members")
    check(base64.b64decode(entry["logId"]["keyId"]).hex() ==
          material["publicKey"]["hint"], "the log's key is the node's")
    body = base64.b64decode(entry["canonicalizedBody"])
    check(json.loads(body)["spec"]["envelopeHash"]["value"] ==
          sha256(envelope).hex(), "the entry names the envelope")
    size, root = head_of(proof["checkpoint"]["envelope"])
    check((int(proof["treeSize"]), base64.b64decode(proof["rootHash"])) ==
          (size, root), "root and size are the checkpoint's")
    check(root_of(sha256(b"\0" + body), int(proof["logIndex"]), size,
                  [base64.b64decode(h) for h in proof["hashes"]]) == root,
          f"entry {proof['logIndex']} is in the tree of {size}")
    return body


def check_proof(client, digest, body):
    answer = client.get(f"/v1/attestations/{digest}/proof")
    head, note = answer.body.decode().split("\n\n", 1)
    first, extra, index, *hashes = head.split("\n")
    check(answer.status == 200 and first == "c2sp.org/tlog-proof@v1" and
          base64.b64decode(extra.removeprefix("extra ")) == body,
          "the proof is of the same entry")
    size, root = head_of(note)
    check(root_of(sha256(b"\0" + body), int(index.removeprefix("index ")),
                  size, [base64.b64decode(h) for h in hashes]) == root,
          "and holds")


def check_bundles(who, daemon, every):
    items = every(who["acme"])
    for item in (items[0], items[-1]):
        path = f"/v1/attestations/{item['digest']}"
        answer = who["acme"].get(f"{path}/bundle")
        check(answer.status == 200 and answer.type == BUNDLE,
              "a tenant gets its bundle")
        bundle = answer.json()
        envelope = compact(bundle["dsseEnvelope"])
        check(envelope == who["acme"].get(path).body and
              verify(daemon, envelope) == 0, "its envelope verifies")
        check_proof(who["acme"], item["digest"], check_entry(bundle, envelope))
        for kind in ("bundle", "proof"):
            check(all(who[role].get(f"{path}/{kind}").status == 200
                      for role in ("plane", "auditor")), f"all get the {kind}")
            for role in ("globex", "absent"):
                answer = who[role].get(f"{path}/{kind}")
                none = who[role].get(f"/v1/attestations/{'0' * 64}/{kind}")
                check(answer.status == 404 and answer.type == PROBLEM and
                      answer.body == none.body,
                      f"for {role} there is no such {kind}")
    node = next(i for i in every(who["plane"]) if i["scope"] is None)
    for kind in ("bundle", "proof"):
        path = f"/v1/attestations/{node['digest']}/{kind}"
        check(who["acme"].get(path).status == 404 and
              who["auditor"].get(path).status == 200,
              f"the node's {kind} is no tenant's")


def check_relying(who, daemon, authority, every):
    """cloison verify at a relying party: from the gateway, or a file of it."""
    # a heartbeat alone does not show what it says of a statement
    item = every(who["acme"], "&kind=isolation/v1")[0]["digest"]
    path = f"/v1/attestations/{item}"
    place = f"https://127.0.0.1:{who['acme'].port}"
    key = f"{daemon.directory}/key"

    def run(what, *argv):
        done = daemon.cloison("verify", what, "--key", key, "--max-age",
                              "3600", *argv, check=False)
        return done.returncode, done.stdout + done.stderr

    def fetch(name, *argv, base=place, target=f"{path}/bundle",
              ca=authority.certificate):
        shown = ("--cert", authority.path(name, "pem"), "--key-file",
                 authority.path(name, "key")) if name else ()
        return run(base + target, "--ca", ca, *shown, *argv)

    policy = ("--policy", f"{daemon.directory}/policy")
    code, said = fetch("acme", "--require-log", *policy)
    check(code == 0, f"a bundle from the gateway holds {said}")
    check(fetch("acme", target=path)[0] == 0 and
          fetch("acme", "--require-log", target=path)[0] == 1,
          "an envelope too, but it does not show that the log has it")
    for code, said in (fetch("globex"), fetch(None)):
        check(code == 2 and "the answer is 40" in said,
              f"who may not read it gets none: {said.strip()}")
    code, said = fetch("acme", base=place.replace("127.0.0.1", "127.1"))
    check(code == 2 and "certificate" in said, f"its name counts: {said}")
    code, said = fetch("acme", ca=authority.path("acme", "pem"))
    check(code == 2 and "certificate" in said, f"and its authority: {said}")

    bundle = f"{daemon.directory}/bundle.json"
    envelope = f"{daemon.directory}/envelope"
    for file, target in ((bundle, f"{path}/bundle"), (envelope, path)):
        with open(file, "wb") as out:
            out.write(who["acme"].get(target).body)
    check(run(bundle, "--require-log")[0] == 0, "a bundle in a file holds")
    check(run(envelope, "--log", f"{daemon.state}/log.sqlite", *policy)[0] == 0,
          "an envelope is in the log, and of this policy")
    other = f"{daemon.directory}/other-policy"
    os.mkdir(other)
    for name in os.listdir(policy[1]):
        with open(f"{policy[1]}/{name}", encoding="utf-8") as file:
            document = json.load(file)
        if name == "node.json":
            document["addresses"] = ["192.0.2.77"]
        with open(f"{other}/{name}", "w", encoding="utf-8") as file:
            json.dump(document, file)
    code, said = run(envelope, "--policy", other)
    check(code == 3 and "of another policy" in said, "and of no other")


def files_below(directory):
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                yield os.path.relpath(path, directory), file.read()


def check_tiles(who, daemon):
    """Whatever the export wrote is served, to whoever has a role."""
    out = f"{daemon.directory}/tiles"
    daemon.cloison("log", "export", "--format", "tiles", "--output", out,
                   "--log", f"{daemon.state}/log.sqlite")
    files = dict(files_below(out))
    old = head_of(files.pop("checkpoint").decode())
    for role in ("acme", "plane", "auditor"):
        check(all(who[role].get(f"/v1/log/{path}").body == data
                  for path, data in files.items()),
              f"{role}: {len(files)} tiles equal the export's")
    check(all(path.startswith("tile/") for path in files) and
          any(path.startswith("tile/entries/") for path in files),
          "hashes and entries")
    check(not any(word in data for word in (b"globex", b"isolation")
                  for data in files.values()), "nothing of what was attested")
    answer = who["acme"].get("/v1/log/checkpoint")
    size, root = head_of(answer.body.decode())
    check(answer.type.startswith("text/plain") and size >= old[0] and
          (size > old[0] or root == old[1]), "the checkpoint goes on")
    answer = who["plane"].get(f"/v1/log/tile/0/{size // 256 + 9:03}")
    check(answer.status == 404 and answer.type == PROBLEM, "no tile ahead")
