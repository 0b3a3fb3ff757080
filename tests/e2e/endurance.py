#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Re-applies, kills and upgrades under load: no packet lost, no connection.

One established UDP flow at a steady rate, counted where it leaves and where it
arrives, and one TCP session that waits for each answer. An upgrade starts a
daemon whose guards have other instructions (cloisond_next), and back again.
usage: endurance.py BUILD [RE-APPLIES KILLS UPGRADES]
"""

import socket
import subprocess
import sys
import tempfile
import threading
import time

import veth
import world
from veth import check, wait_for

UDP_PORT, TCP_PORT = 5001, 7000
RATE, ENDLESS = 5000, 1 << 40 # datagrams a second
SOME = 500 # that must arrive after each change


def policy(number):
    """Each time another one, and each allows both flows."""
    rules = [{"name": "load", "from": {"group": "web"}, "to": {"group": "db"},
              "ports": [f"udp/{UDP_PORT}", f"tcp/{TCP_PORT}",
                        f"tcp/{8000 + number % 1000}"]}]
    return world.policy(acme=world.tenant("acme", rules))


class Load:
    """The two flows from web to db, until the block ends."""

    def __init__(self, build, web, db):
        self.web, self.db = web, db
        self.program = f"{build}/tests/bench/bench_traffic"
        self.lines, self.wrong = 0, []
        self.done = threading.Event()

    def start(self, guest, *args, **kwargs):
        return subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{guest.name}", self.program, *args],
            text=True, stdout=subprocess.PIPE, **kwargs)

    def count(self, guest, which):
        path = f"/sys/class/net/eth0/statistics/{which}_packets"
        return int(guest.exec("cat", path, stdout=subprocess.PIPE).stdout)

    def counts(self):
        return self.count(self.web, "tx"), self.count(self.db, "rx")

    def echo(self, listener):
        peer, _ = listener.accept()
        with peer, peer.makefile("rwb", buffering=0) as file:
            for line in file:
                file.write(line)

    def talk(self, client):
        client.settimeout(20)
        with client, client.makefile("rwb", buffering=0) as file:
            while not self.done.is_set():
                line = f"line {self.lines}\n".encode()
                file.write(line)
                answer = file.readline()
                if answer != line:
                    self.wrong.append(answer)
                    return
                self.lines += 1

    def __enter__(self):
        with veth.entered(self.db.name):
            listener = socket.create_server((self.db.address, TCP_PORT))
        threading.Thread(target=self.echo, args=(listener,),
                         daemon=True).start()
        with veth.entered(self.web.name):
            client = socket.create_connection((self.db.address, TCP_PORT), 10)
        self.holder = self.start(self.db, "hold", self.db.address,
                                 str(UDP_PORT), "1")
        veth.check_line(self.holder, "ready")
        self.before = self.counts()
        self.flood = self.start(self.web, "flood", self.db.address,
                                str(UDP_PORT), str(ENDLESS), "0", "1",
                                str(RATE))
        self.talker = threading.Thread(target=self.talk, args=(client,))
        self.talker.start()
        return self

    def flows(self):
        """Both go on after this moment."""
        arrived, lines = self.counts()[1], self.lines
        wait_for("the load goes on", lambda: self.wrong or (
            self.counts()[1] >= arrived + SOME and self.lines > lines))

    def __exit__(self, *_):
        self.done.set()
        self.talker.join()
        self.flood.terminate()
        self.flood.communicate()
        self.holder.terminate()
        self.holder.communicate()

    def lost(self):
        """(sent, lost) once nothing is under way; each frame is counted on
        both sides, those of TCP too."""
        def both():
            after = self.counts()
            return after[0] - self.before[0], after[1] - self.before[1]
        end = time.monotonic() + 5
        while (found := both())[0] != found[1] and time.monotonic() < end:
            time.sleep(0.05)
        return found[0], found[0] - found[1]


def measured(what, times, load, act):
    """Run act(i) so often under load; what was lost meanwhile."""
    took = []
    with load:
        for i in range(times):
            begin = time.monotonic()
            act(i)
            took.append(time.monotonic() - begin)
            load.flows()
    sent, lost = load.lost()
    print(f"{times} {what}: {sent} packets sent, {lost} lost; {load.lines} "
          f"lines of one TCP session; each {1000 * min(took):.0f} to "
          f"{1000 * max(took):.0f} ms", flush=True)
    check(not load.wrong, f"the session lives through {times} {what}")
    check(sent > times * SOME and lost == 0, f"no packet is lost in {times} {what}")


def main(build, applies="20", kills="5", upgrades="4"):
    veth.inside()
    guests = world.build()
    web, db = guests["a-web"], guests["a-db"]
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(policy(0))
        for guest in (web, db): # nothing but the two flows is sent
            guest.exec("sysctl", "-qw",
                       "net.ipv6.conf.all.disable_ipv6=1")
            guest.neighbours({g.address: g.mac for g in (web, db)})

        def killed(_):
            daemon.kill()
            daemon.start()

        def program():
            pin = f"{daemon.pins}/prog/from_guest"
            return veth.output("bpftool", "prog", "show", "pinned",
                               pin).split("tag ")[1].split()[0]

        def upgrade(i):
            before = program()
            daemon.kill()
            daemon.argv[0] = (f"{build}/agent/cloisond" if i % 2 else
                              f"{build}/tests/cloisond_next")
            daemon.start()
            check(program() != before, "another program is in force")

        measured("re-applies", int(applies), Load(build, web, db),
                 lambda i: daemon.apply(policy(i + 1)))
        measured("kill -9", int(kills), Load(build, web, db), killed)
        measured("upgrades", int(upgrades), Load(build, web, db), upgrade)
        check(not world.attack(web, guests["g-db"], world.ALLOWED_PORT),
              "and what is forbidden stays so")
        check(daemon.predicate("--nonce", "01")["verdict"] == "PASSED",
              "the attestation reads PASSED")
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
