#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of daemon and gateway at random moments while they write: what was
committed or seen stays as it was, and each interruption is a signed gap.

Meanwhile policies are applied, attestations and challenges asked for, the log
is streamed and exported, and guests try what is allowed and what is not.
usage: kills.py BUILD [KILLS [SEED]]
"""

import base64
import contextlib
import datetime
import hashlib
import http.client
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import gateway_rig
import veth
import world
from veth import check

PORT = 8443
WINDOW = 2.0 # seconds after it is up, or begins, within which it is killed


def payload_of(envelope):
    return base64.b64decode(json.loads(envelope)["payload"])


class Seen:
    """What anybody was shown or promised; a record has one content for good."""

    def __init__(self):
        self.lock = threading.Lock()
        self.records = {} # (boot, sequence): digest
        self.digests = set() # of envelopes that were handed out
        self.wrong = []

    def record(self, boot, sequence, digest):
        with self.lock:
            if self.records.setdefault((boot, sequence), digest) != digest:
                self.wrong.append(f"{boot}/{sequence} has two contents")

    def envelope(self, text):
        with self.lock:
            self.digests.add(hashlib.sha256(payload_of(text)).hexdigest())


class Worker(threading.Thread):
    """Does its work again and again; what the dead do not answer is no error."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.done, self.error = work, threading.Event(), None
        self.times = 0
        self.start()

    def run(self):
        try:
            while not self.done.is_set():
                self.times += bool(self.work(self.done))
        except Exception as error: # pylint: disable=broad-except
            self.error = error

    def end(self):
        self.done.set()
        self.join()
        if self.error:
            raise self.error
        check(self.times > 0, f"{self.work.__name__}: {self.times} times")


class Load:
    """What goes on all the time."""

    def __init__(self, guests, daemon, client, seen):
        self.guests, self.daemon, self.client = guests, daemon, client
        self.seen = seen
        self.last = None # id of the last event
        self.events = [] # (id, digest), in their order
        self.policy = 0

    def attest(self, _done):
        nonce = os.urandom(8).hex()
        result = self.daemon.cloison("attest", "--nonce", nonce, check=False)
        if result.returncode == 0:
            self.seen.envelope(result.stdout)
        return result.returncode == 0

    def apply(self, _done):
        self.policy += 1
        rules = world.tenant("acme")["environments"]["production"]["rules"]
        rules[0]["ports"].append(f"tcp/{9000 + self.policy % 100}")
        return self.daemon.apply(world.policy(acme=world.tenant("acme", rules)),
                                 check=False).returncode == 0

    def challenge(self, _done):
        try:
            answer = self.client.challenge(os.urandom(8).hex())
        except (OSError, http.client.HTTPException):
            return False
        if answer.status == 200:
            self.seen.envelope(answer.body)
        return answer.status == 200

    def export(self, _done):
        """What a consumer of JSON lines sees of the last minute."""
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(
            time.time() - 60))
        result = self.daemon.cloison(
            "log", "export", "--since", since, "--log",
            f"{self.daemon.state}/log.sqlite", check=False)
        for line in result.stdout.splitlines():
            entry = json.loads(line)
            self.seen.record(entry["boot"], entry["sequence"], entry["digest"])
        return result.returncode == 0

    def stream(self, done):
        try:
            stream = self.client.stream(last=self.last)
        except (OSError, http.client.HTTPException, AssertionError):
            return False
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not done.is_set() and (event := stream.next()):
                self.last, item = event
                self.events.append((int(self.last), item["digest"]))
                self.seen.record(item["bootId"], item["sequence"],
                                 item["digest"])
        return True

    def forbidden(self, _done):
        web, stranger = self.guests["g-web"], self.guests["a-test"]
        if world.attack(web, stranger, world.ALLOWED_PORT):
            raise AssertionError("a forbidden flow has passed")
        return True

    def allowed(self, done):
        done.wait(0.1)
        web, db = self.guests["a-web"], self.guests["a-db"]
        if web.connect(db.address, world.ALLOWED_PORT,
                       veth.DEADLINE) != "a-db":
            raise AssertionError("an allowed flow was cut off")
        return True


class Killer:
    """Ends them at random moments, also while they begin."""

    def __init__(self, daemon, gateway, seed):
        self.daemon, self.gateway = daemon, gateway
        self.chance = random.Random(seed)
        self.moments = [] # when the daemon died
        self.gateways = 0
        self.pause = threading.Event() # never set: to wait for a time

    def some_time(self):
        self.pause.wait(self.chance.uniform(0, WINDOW))

    def begin_daemon(self):
        if self.chance.random() < 0.25: # it dies before it is up
            with open(self.daemon.log, "a", encoding="utf-8") as log:
                self.daemon.process = subprocess.Popen(
                    self.daemon.argv, stderr=log)
            return
        self.daemon.start()

    def strike(self):
        whom = self.chance.choice(("daemon", "daemon", "gateway", "both"))
        self.some_time()
        if whom != "gateway":
            self.daemon.kill()
            self.moments.append(time.time())
        if whom != "daemon":
            self.gateway.process.kill()
            self.gateway.process.wait(veth.DEADLINE)
            self.gateways += 1
        if whom != "gateway":
            self.begin_daemon()
        if whom != "daemon":
            self.gateway.start()

    def settle(self):
        """The last of them is up, has written, and stops in order."""
        veth.wait_for("cloisond answers", self.daemon.answers)
        self.daemon.cloison("attest")
        check(self.daemon.stop() == 0, "the daemon stops in order")


class Log:
    """The log in the end."""

    def __init__(self, daemon):
        self.path = f"{daemon.state}/log.sqlite"
        database = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        self.rows = database.execute(
            "SELECT id, boot, sequence, scope, lower(hex(digest)), envelope "
            "FROM records ORDER BY id").fetchall()
        self.runs = database.execute("SELECT began FROM runs").fetchall()
        database.close()

    def gaps(self):
        """Of the node's statements, as they were signed: (from, to)."""
        def seconds(text):
            return datetime.datetime.fromisoformat(
                text.replace("Z", "+00:00")).timestamp()
        return [(seconds(gap["from"]), seconds(gap["to"]))
                for _, _, _, scope, _, envelope in self.rows if scope == ""
                for gap in json.loads(payload_of(envelope))["predicate"].get(
                    "gaps", []) if gap["to"]
                and gap["reason"] == "agent ended without notice"]


def check_log(log, seen, load, killer):
    places = {(boot, sequence): digest
              for _, boot, sequence, _, digest, _ in log.rows}
    check(len(places) == len(log.rows) and not seen.wrong,
          f"{len(places)} records, no sequence number twice")
    for boot in {boot for boot, _ in places}:
        numbers = sorted(n for b, n in places if b == boot)
        check(numbers == list(range(len(numbers))), "and none is missing")
    check(all(places.get(place) == digest
              for place, digest in seen.records.items()),
          f"{len(seen.records)} records that were read are what they were")
    check(seen.digests <= set(places.values()),
          f"{len(seen.digests)} that were handed out are in the log")
    ids = [number for number, _ in load.events]
    check(load.events == [(row[0], row[4]) for row in log.rows
                          if ids[0] <= row[0] <= ids[-1]],
          f"{len(ids)} events came whole, once and in order")
    check_gaps(log.gaps(), log, killer)


def check_gaps(gaps, log, killer):
    check(len(gaps) == len(log.runs) - 1,
          f"{len(log.runs)} runs, {len(gaps)} signed gaps between them")
    bare = [moment for moment in killer.moments
            if not any(start - 1 <= moment <= stop + 1 for start, stop in gaps)]
    check(not bare, f"each of {len(killer.moments)} deaths is in a signed gap")


def run(killer, load, kills):
    workers = [Worker(work) for work in (
        load.attest, load.apply, load.challenge, load.export, load.stream,
        load.forbidden, load.allowed)]
    for number in range(kills):
        killer.strike()
        broken = [w.error for w in workers if w.error] + load.seen.wrong
        if broken:
            raise AssertionError(f"kill {number}: {broken}")
    killer.settle()
    last = Log(killer.daemon).rows[-1][0]
    veth.wait_for("the stream is at the end",
                  lambda: load.events and load.events[-1][0] == last)
    for worker in workers:
        worker.done.set()
    check(killer.gateway.stop() == 0, "so does the gateway")
    for worker in workers:
        worker.end()


def main(build, kills="12", seed=None):
    veth.inside()
    seed = int(seed) if seed else int.from_bytes(os.urandom(4), "big")
    print(f"{kills} kills, seed {seed}", flush=True)
    gateway_rig.add_user()
    guests = world.build()
    world.pin([(guests["a-web"], guests["a-db"])], 4)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        authority = gateway_rig.Authority(f"{directory}/pki")
        authority.sign("node", "IP:127.0.0.1", "serverAuth")
        authority.sign("plane", "URI:urn:cloison:role:control-plane")
        veth.run("chown", "-R", str(gateway_rig.UID), f"{directory}/pki")
        daemon = veth.Daemon(build, directory, period=1)
        daemon.start()
        daemon.apply(world.policy())
        gateway = gateway_rig.Gateway(
            build, directory, daemon, authority, PORT, "--requests", "60000",
            "--challenges", "600")
        gateway.start()
        seen = Seen()
        load = Load(guests, daemon, gateway_rig.Client(authority, PORT,
                                                       "plane"), seen)
        killer = Killer(daemon, gateway, seed)
        key = f"{directory}/node.pem"
        with open(key, "w", encoding="utf-8") as file:
            file.write(daemon.cloison("key").stdout)
        run(killer, load, int(kills))
        check(killer.moments and killer.gateways,
              f"{len(killer.moments)} daemons and {killer.gateways} gateways "
              "were killed")
        check_log(Log(daemon), seen, load, killer)
        result = daemon.cloison("log", "verify", "--log",
                                f"{daemon.state}/log.sqlite", "--key", key,
                                check=False)
        check(result.returncode == 0, f"log verify: {result.stdout.strip()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
