#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Texts that the daemon holds are not sent again, and nothing else is spared.

The command talks to the daemon through a relay, which counts what is sent and
can let another policy come in force between "held" and "apply".
"""

import hashlib
import json
import os
import socket
import struct
import sys
import tempfile
import threading

import veth
import world
from veth import check

LARGE = 256 << 10  # spaces: a text that the command would rather not send


def receive(connection):
    """One message, as its bytes; None at the end."""
    data = b""
    length = 4
    while len(data) < length:
        part = connection.recv(1 << 16)
        if not part:
            return None
        data += part
        if length == 4 and len(data) >= 4:
            length = 4 + struct.unpack("<I", data[:4])[0]
    return data


def ask(path, request):
    """The reply to a request, by hand."""
    text = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(struct.pack("<I", len(text)) + text)
        return json.loads(receive(connection)[4:])


class Relay:
    """Between the command and the daemon; before[op] runs once, before it."""

    def __init__(self, path, daemon):
        self.path, self.daemon = path, daemon
        self.sent, self.before = [], {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            with connection, socket.socket(socket.AF_UNIX) as daemon:
                message = receive(connection)
                if message is None:
                    continue
                op = json.loads(message[4:])["op"]
                self.before.pop(op, lambda: None)()
                self.sent.append((op, len(message)))
                daemon.connect(self.daemon.socket)
                daemon.sendall(message)
                connection.sendall(receive(daemon) or b"")

    def run(self, *argv):
        self.sent = []
        return self.daemon.cloison("--socket", self.path, *argv, check=False)


def write(directory, documents):
    """As the daemon's own directory, with texts that are worth naming."""
    veth.write_documents(directory, documents)
    for name in documents:
        with open(f"{directory}/{name}.json", "a", encoding="utf-8") as file:
            file.write(" " * LARGE)


def served(port):
    return world.policy(acme=world.tenant("acme", [
        {"name": "web-to-db", "from": {"group": "web"}, "to": {"group": "db"},
         "ports": [f"tcp/{port}"]}]))


def size_of(directory):
    return sum(entry.stat().st_size for entry in os.scandir(directory))


def in_force(daemon):
    status = daemon.json("status")
    return status["epoch"], status["policy"]


def digests(directory):
    found = set()
    for entry in os.scandir(directory):
        with open(entry.path, "rb") as file:
            found.add(hashlib.sha256(file.read()).hexdigest())
    return found


def changed_files(daemon, relay, policy, guests):
    """One file changes: that one is sent, and the others are in force too."""
    write(policy, served(world.ALLOWED_PORT))
    check(relay.run("apply", policy).returncode == 0, "a first policy")
    check([op for op, _ in relay.sent] == ["held", "apply"] and
          relay.sent[1][1] > size_of(policy), "is sent whole")
    held = ask(daemon.socket, {"op": "held"})["result"]["held"]
    check(set(held) == digests(policy), "its digests are those of its files")

    write(policy, served(world.FORBIDDEN_PORT))
    plan = relay.run("plan", policy)
    check(plan.returncode == 0 and f"tcp/{world.FORBIDDEN_PORT}" in plan.stdout,
          "a plan of one changed file tells the change")
    sent = [relay.sent[-1]]
    check(relay.run("apply", policy).returncode == 0, "and it is applied")
    sent.append(relay.sent[-1])
    for op, size in sent:
        print(f"{op}: {size} bytes sent of {size_of(policy)}", flush=True)
        check(LARGE < size < 2 * LARGE, f"{op} sends one file")
    check(world.flows(guests, world.FORBIDDEN_PORT) == {("a-web", "a-db")},
          "the policy is what its files say")
    held = ask(daemon.socket, {"op": "held"})["result"]["held"]
    check(set(held) == digests(policy), "what is held has changed with it")


def overtaken(daemon, relay, policy, guests):
    """Another policy comes in force after the daemon has said what it holds."""
    other = f"{daemon.directory}/other"
    veth.write_documents(other, served(world.ALLOWED_PORT))
    relay.before["apply"] = lambda: daemon.cloison("apply", other)
    applied = relay.run("apply", policy)
    check(applied.returncode == 0 and not applied.stderr,
          "an apply that was overtaken is done all the same")
    check([op for op, _ in relay.sent] == ["held", "apply", "apply"] and
          relay.sent[1][1] < LARGE < size_of(policy) < relay.sent[2][1],
          "once by digests, then whole")
    check(world.flows(guests, world.FORBIDDEN_PORT) == {("a-web", "a-db")},
          "and is in force")


def flaws_name_files(daemon, relay, policy):
    """The name that counts is the one sent, also for a text that is held."""
    moved = f"{daemon.directory}/moved"
    os.rename(policy, moved)
    with open(f"{moved}/zz.json", "w", encoding="utf-8") as file, \
            open(f"{moved}/acme.json", encoding="utf-8") as acme:
        file.write(acme.read())
    refused = relay.run("apply", moved)
    check(refused.returncode == 3 and relay.sent[1][1] < LARGE and
          f"{moved}/" in refused.stderr and policy + "/" not in refused.stderr,
          "a flaw in a text that was not sent names the file as it is now")
    os.unlink(f"{moved}/zz.json")
    os.rename(moved, policy)


def forged(daemon, policy):
    """Digests that are none, or of nothing: refused, and nothing changes."""
    before = in_force(daemon)
    documents = []
    for entry in os.scandir(policy):
        with open(entry.path, "rb") as file:
            documents.append({"name": entry.name, "sha256":
                              hashlib.sha256(file.read()).hexdigest()})
    lawful = documents[0]
    digest = lawful["sha256"]
    flipped = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    for document, unheld, word in (
            ({"sha256": flipped}, True, "no text of this digest"),
            ({"sha256": digest.upper() + "A"}, False, "64 lower-case"),
            ({"sha256": "../policy.json"}, False, "64 lower-case"),
            ({"sha256": digest, "text": "{}"}, False, "not both"),
            ({}, False, "not both")):
        documents[0] = {"name": lawful["name"], **document}
        for op in ("apply", "plan"):
            reply = ask(daemon.socket, {"op": op, "documents": documents})
            check(not reply["ok"] and reply["exit"] == 3 and
                  word in reply["error"] and
                  reply.get("unheld", False) == unheld,
                  f"{op} of {document} is refused")
    check(in_force(daemon) == before, "nothing of them is in force")
    documents[0] = lawful
    check(ask(daemon.socket, {"op": "apply", "documents": documents})["ok"],
          "what the policy is made of is applied by digests alone")
    check(in_force(daemon)[1] == before[1], "and is the same policy")


def restarted(daemon, relay, policy):
    """What was read back from the disk is held as well."""
    check(daemon.stop() == 0, "the daemon stops in order")
    daemon.start()
    check(relay.run("apply", policy).returncode == 0 and
          relay.sent[-1][1] < LARGE, "after a restart no text is sent")


def main(build):
    veth.inside()
    guests = world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        relay = Relay(f"{directory}/relay", daemon)
        policy = f"{directory}/policy"
        changed_files(daemon, relay, policy, guests)
        overtaken(daemon, relay, policy, guests)
        flaws_name_files(daemon, relay, policy)
        forged(daemon, policy)
        restarted(daemon, relay, policy)
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
