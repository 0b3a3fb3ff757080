#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 during a transfer: the transfer goes on, the forbidden stays dead."""

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
        check(daemon.stop() == 0, "the daemon stops in order")


def stalled(daemon):
    reasons = {d["reason"] for d in daemon.json("status")["drops"]}
    return "established flow is no longer allowed" in reasons


if __name__ == "__main__":
    main(*sys.argv[1:])
