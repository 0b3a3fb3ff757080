#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""100 re-applies under traffic: nothing leaks, no allowed packet is lost.

With the sanitizers' build the daemon's own exit status tells of leaks and of
every other memory error; with the release build its resident memory may not
grow.
"""

import subprocess
import sys
import tempfile

import prove
import veth
import world
from veth import check

ROUNDS = 100
GROWTH_KIB = 1024  # over the last 90 rounds; a leaked policy has more

ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5353))
print("listening", flush=True)
while True:
    data, peer = s.recvfrom(100)
    s.sendto(data, peer)
"""

# one datagram after the other, each waited for; the answer must come
PINGER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("{address}", 5353))
s.settimeout(10)
n = 0
while True:
    s.send(b"%d" % n)
    try:
        s.recv(100)
    except TimeoutError:
        print("lost", n, flush=True)
    n += 1
    print(n, flush=True)
"""


def resident(daemon):
    """When nothing works on a policy behind the reply, which has its own copy."""
    prove.await_decided(daemon)
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError("no VmRSS")


def variant(i):
    """Policies that differ and all allow the probe's flow."""
    rules = [{"name": "probe", "from": {"group": "web"}, "to": {"group": "db"},
              "ports": ["udp/5353"]}]
    rules += [{"name": f"extra-{k}", "from": {"group": "web"},
               "to": {"group": "db"}, "ports": [f"tcp/{1000 + k}"]}
              for k in range(i % 7)]
    return world.policy(acme=world.tenant("acme", rules))


def main(build, kind="release"):
    veth.inside()
    guests = world.build()
    web, db = guests["a-web"], guests["a-db"]
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(variant(0))
        veth.check_line(db.popen(ECHO, stdout=subprocess.PIPE), "listening")
        log = f"{directory}/pinger"
        with open(log, "w", encoding="ascii") as file:
            web.popen(PINGER.format(address=db.address), stdout=file)

        for i in range(ROUNDS):
            daemon.apply(variant(i))
            if i == 10:
                before = resident(daemon)
        grown = resident(daemon) - before
        print(f"resident {resident(daemon)} KiB, grown by {grown} KiB")
        check(kind != "release" or grown < GROWTH_KIB, "memory does not grow")
        check(daemon.json("status")["epoch"] >= ROUNDS,
              f"{ROUNDS} generations were put in force")

        with open(log, encoding="ascii") as file:
            lines = file.read().split("\n")
        check(len(lines) > ROUNDS, "the traffic ran all the while")
        check(not [x for x in lines if "lost" in x], "no packet was lost")
        status = daemon.stop()
        print(daemon.read_log()[-3000:] if status else "")
        check(status == 0, "the daemon stops in order, nothing leaked")


if __name__ == "__main__":
    main(*sys.argv[1:])
