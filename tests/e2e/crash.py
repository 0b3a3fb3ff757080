#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 during a transfer: the transfer goes on, the forbidden stays dead.
The policy that is kept for the next start is whole, or it is not taken."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import veth
import violations
import world
from veth import check

SINK = """
import socket, time
s = socket.create_server(("0.0.0.0", 9000))
print("listening", flush=True)
c, _ = s.accept()
total = 0
while data := c.recv(1 << 16):
    total += len(data)
    print(total, flush=True)
"""

SOURCE = """
import socket, time
s = socket.create_connection(("{address}", 9000), 10)
while True:
    s.sendall(b"x" * 4096)
    time.sleep(0.01)
"""


def progress(sink, beyond):
    """Read the sink's counter until it is past `beyond`."""
    total = 0
    while total <= beyond:
        line = sink.stdout.readline()
        check_open(line)
        total = int(line)
    return total


def check_open(line):
    if not line:
        raise AssertionError("the transfer ended")


def main(build):
    veth.inside()
    guests = world.build()
    web, db = guests["a-web"], guests["a-db"]
    rules = [{"name": "web-to-db", "from": {"group": "web"},
              "to": {"group": "db"}, "ports": ["tcp/9000", "icmp"]}]
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, period=2)
        daemon.start()
        daemon.apply(world.policy(acme=world.tenant("acme", rules)))

        sink = db.popen(SINK, stdout=subprocess.PIPE)
        veth.check_line(sink, "listening")
        web.popen(SOURCE.format(address=db.address))
        total = progress(sink, 100_000)

        before = daemon.json("status")
        daemon.kill()
        total = progress(sink, total + 200_000)
        check(True, "the transfer goes on with the daemon dead")
        check(not world.attack(web, guests["g-db"], world.ALLOWED_PORT),
              "a forbidden flow stays dead with the daemon dead")
        check(web.ping(db.address), "an allowed new flow works meanwhile")

        daemon.start()
        after = daemon.json("status")
        check("datapath adopted" in daemon.read_log(),
              "the restarted daemon adopts what is pinned")
        check(after["epoch"] == before["epoch"], "and loads nothing anew")
        total = progress(sink, total + 200_000)
        check(True, "the transfer goes on after the restart")

        # the first of the new run: on a busy machine more have followed
        predicate = [p for p in violations.statements(daemon)
                     if p["trigger"] == "start"][-1]
        gaps = predicate["gaps"]
        check(len(gaps) == 1 and gaps[0]["to"], "one gap is recorded, closed")
        check(predicate["verdict"] == "PASSED", "and all is well")
        fresh = daemon.predicate("--nonce", "aa")
        check(fresh["gaps"] == [], "the gap is reported once")
        check(fresh["nonce"] == "aa", "the nonce is in the fresh statement")

        # a revoked flow dies with its next packet
        daemon.apply(world.policy(acme=world.tenant("acme", [])))
        veth.wait_for("the revoked transfer stands still",
                      lambda: stalled(daemon))
        kept(daemon)
        check(daemon.stop() == 0, "the daemon stops in order")


def texts(daemon):
    """The file of each text that is kept, by its name."""
    with os.scandir(f"{daemon.state}/policy") as entries:
        return {entry.name: entry.inode() for entry in entries}


def kept(daemon):
    before = texts(daemon)
    daemon.apply(world.policy())
    after = texts(daemon)
    check(len(after) == len(before) and
          len(after.items() & before.items()) == len(after) - 1,
          "an apply writes the one text that changed and removes the old one")

    daemon.kill()
    top = f"{daemon.state}/policy"
    name = min(after)
    shutil.copy(f"{top}/{name}", f"{daemon.directory}/copy")
    with open(f"{top}/{name}", "a", encoding="utf-8") as file:
        file.write(" ")
    refused = subprocess.run(daemon.argv, stderr=subprocess.PIPE, text=True,
                             timeout=veth.DEADLINE, check=False)
    check(refused.returncode == 1 and f"policy/{name}" in refused.stderr,
          "a daemon does not start with a text that was altered")
    shutil.copy(f"{daemon.directory}/copy", f"{top}/{name}")
    for stray in ("f" * 64, "f" * 64 + ".new", "notes"):
        shutil.copy(f"{top}/{name}", f"{top}/{stray}")
    daemon.start()
    check(texts(daemon).keys() == after.keys() | {"notes"},
          "with it put back it does, and removes what a crash left")

    daemon.kill()
    as_before(daemon)
    daemon.start()
    check(daemon.json("status")["verdict"] == "PASSED",
          "an earlier version's policy is taken")
    daemon.apply(world.policy())
    check(texts(daemon).keys() == after.keys(), "and kept as this one does")


def as_before(daemon):
    """As earlier versions kept it: all in one file."""
    path = f"{daemon.state}/policy.json"
    with open(path, encoding="utf-8") as file:
        policy = json.load(file)
    for document in policy["documents"]:
        text = f"{daemon.state}/policy/{document.pop('sha256')}"
        with open(text, encoding="utf-8") as file:
            document["text"] = file.read()
    with open(path, "w", encoding="utf-8") as file:
        json.dump(policy, file)
    shutil.rmtree(f"{daemon.state}/policy")


def stalled(daemon):
    reasons = {d["reason"] for d in daemon.json("status")["drops"]}
    return "established flow is no longer allowed" in reasons


if __name__ == "__main__":
    main(*sys.argv[1:])
