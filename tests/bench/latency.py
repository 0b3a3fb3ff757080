#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""From a change in the kernel to the consumer's hands, through JetStream: a
guard that is detached, until its violation is there (it is found by the next
look, so half a period on the average is in it); a tap that joins a governed
bridge, and a policy that is applied, until the node's next attestation is.

usage: latency.py BUILD [--quick]
"""

import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

import veth  # noqa: E402
import violations  # noqa: E402
import world  # noqa: E402

PERIOD = 1
TAP = "t-a-web"


class Consumer:
    """What arrives, and when."""

    def __init__(self, broker, build):
        self.arrived = [] # (time, predicate)
        self.process = subprocess.Popen(
            [f"{build}/tests/e2e/stream/stream_tool", broker.url, "follow"],
            text=True, stdout=subprocess.PIPE)
        veth.check_line(self.process, "following")
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            now = time.monotonic()
            payload = json.loads(line.split(" ", 2)[2])["payload"]
            self.arrived.append((now, json.loads(base64.b64decode(payload))
                                 ["predicate"]))

    def when(self, wanted, since):
        """The moment of the first after `since` that is wanted."""
        return next((moment for moment, predicate in self.arrived[since:]
                     if wanted(predicate)), None)


def of_node(predicate):
    return predicate["scope"] is None and "controls" in predicate


def row(what, samples):
    cuts = statistics.quantiles(samples, n=100) if len(samples) > 1 else \
        samples * 99
    print(f"{what:52} p50 {1000 * cuts[49]:6.0f} ms  p99 {1000 * cuts[98]:6.0f}"
          f" ms  n {len(samples)}", flush=True)


def resident(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    print(f"{fields['Name'].strip():15} resident "
          f"{int(fields['VmRSS'].split()[0]) / 1024:6.1f} MiB", flush=True)


def measured(consumer, act, wanted, after=None):
    since = len(consumer.arrived)
    begin = time.monotonic()
    act()
    arrived = veth.wait_for("it is at the consumer",
                            lambda: consumer.when(wanted, since))
    if after:
        veth.wait_for("all is well again", lambda: consumer.when(
            lambda p: of_node(p) and p["verdict"] == after, since))
    return arrived - begin


def detached(daemon, consumer, i):
    """Not in step with the period."""
    time.sleep(PERIOD * (i * 7 % 10) / 10)
    return measured(
        consumer, lambda: violations.detach(daemon, TAP),
        lambda p: any(TAP in v["detail"] for v in p.get("violations", [])),
        "PASSED")


def joined(consumer, i):
    name = f"new{i}"
    veth.run("ip", "link", "add", name, "type", "veth", "peer", "name",
             f"peer{i}")
    taken = measured(consumer, lambda: veth.run(
        "ip", "link", "set", name, "master", world.BRIDGE, "up"),
        lambda p: of_node(p) and name in json.dumps(p))
    veth.run("ip", "link", "del", name)
    return taken


def applied(daemon, consumer, i):
    rules = world.tenant("acme")["environments"]["production"]["rules"]
    rules[0]["ports"].append(f"tcp/{9000 + i}")
    policy = world.policy(acme=world.tenant("acme", rules))
    return measured(consumer, lambda: daemon.apply(policy),
                    lambda p: of_node(p) and p.get("trigger") == "apply")


def main(build, quick=None):
    build = str(Path(build).resolve())
    veth.inside()
    sys.argv[1:] = [build] # stream.py takes it from there
    from stream import NODE, Broker # pylint: disable=import-outside-toplevel
    rounds = 2 if quick else 50
    world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, period=PERIOD)
        daemon.start()
        daemon.apply(world.policy())
        broker = Broker(Path(directory))
        broker.start()
        broker.tool("make")
        consumer = Consumer(broker, build)
        sender = subprocess.Popen(
            [f"{build}/agent/stream/cloison-stream", "--broker", broker.url,
             "--node", NODE, "--log", f"{daemon.state}/log.sqlite", "--state",
             f"{directory}/sent"])
        veth.wait_for("the first attestation", lambda: consumer.when(
            of_node, 0))
        row(f"guard detached to violation, period {PERIOD} s",
            [detached(daemon, consumer, i) for i in range(rounds)])
        row("strange tap on the bridge to attestation",
            [joined(consumer, i) for i in range(rounds)])
        row("apply, from its begin, to attestation",
            [applied(daemon, consumer, i) for i in range(rounds)])
        for process in (daemon.process, sender):
            resident(process)
        for process in (sender, consumer.process):
            process.terminate()
            process.wait()
        broker.kill()
        daemon.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
