#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long an apply takes, what the daemon weighs, how soon it notices.

Wall time as the operator sees it, on namespaces of its own.
usage: apply.py BUILD [--quick]
"""

import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

import veth  # noqa: E402
import violations  # noqa: E402
import world  # noqa: E402

PERIOD = 2
TENANTS = 10
ENDPOINTS = 100
ENVIRONMENTS = ("production", "test", "development")


def timed(action):
    begin = time.monotonic()
    action()
    return 1000 * (time.monotonic() - begin)


def row(what, samples, unit="ms"):
    print(f"{what:48} {statistics.median(samples):9.1f} {unit:4} "
          f"min {min(samples):.1f} max {max(samples):.1f} n {len(samples)}",
          flush=True)


def variant(i, base):
    """Policies that differ from one apply to the next."""
    rules = [{"name": f"r{k}", "from": {"group": "web"}, "to": {"group": "db"},
              "ports": [f"tcp/{8080 + k}"]} for k in range(1 + i % 3)]
    return dict(base, acme=world.tenant("acme", rules))


def taps(count):
    """A bridge with veth pairs; nobody behind them."""
    lines = ["link add clobr0 type bridge", "link set clobr0 up"]
    for i in range(count):
        lines += [f"link add t{i} type veth peer name p{i}",
                  f"link set t{i} master clobr0 up", f"link set p{i} up"]
    veth.run("ip", "-batch", "-", input="\n".join(lines) + "\n")


def many(count):
    """`count` endpoints of ten tenants, each with all three environments."""
    documents = {"node": {
        "apiVersion": "cloison/v1", "kind": "Node", "name": "bench",
        "bridges": ["clobr0"], "addresses": ["10.9.0.1"]}}
    for t in range(TENANTS):
        documents[f"t{t}"] = {
            "apiVersion": "cloison/v1", "kind": "Tenant", "name": f"t{t}",
            "qualification": 1, "environments": {
                e: {"segments": [{"name": "s", "cidrs": [f"10.{n}.0.0/16"]}],
                    "groups": ["db", "web"],
                    "rules": [{"name": "r", "from": {"group": "web"},
                               "to": {"group": "db"},
                               "ports": ["tcp/5432", "icmp"]}]}
                for n, e in enumerate(ENVIRONMENTS)}}
    for i in range(count):
        n = i // TENANTS % len(ENVIRONMENTS)
        documents[f"w{i}"] = {
            "apiVersion": "cloison/v1", "kind": "Workload", "name": f"w{i}",
            "tenant": f"t{i % TENANTS}", "environment": ENVIRONMENTS[n],
            "interfaces": [{
                "mac": f"0a:00:00:00:{i >> 8:02x}:{i & 255:02x}",
                "segment": "s", "device": f"t{i}",
                "addresses": [f"10.{n}.{i >> 8}.{i & 255 or 255}"],
                "groups": [("web", "db")[i // 30 % 2]]}]}
    return documents


def memory(daemon):
    """KiB by name, of smaps_rollup."""
    found = {}
    path = f"/proc/{daemon.process.pid}/smaps_rollup"
    with open(path, encoding="ascii") as file:
        for line in file.read().splitlines()[1:]:
            name, value = line.split()[:2]
            found[name.rstrip(":")] = int(value)
    private = found["Private_Clean"] + found["Private_Dirty"]
    print(f"resident {found['Rss'] / 1024:.1f} MiB, proportional "
          f"{found['Pss'] / 1024:.1f} MiB, private {private / 1024:.1f} MiB, "
          f"of it anonymous {found['Anonymous'] / 1024:.1f} MiB", flush=True)


def applies(daemon, what, base, rounds):
    row(f"{what}: first apply", [timed(lambda: daemon.apply(base))])
    row(f"{what}: re-apply, the policy changed",
        [timed(lambda i=i: daemon.apply(variant(i, base)))
         for i in range(rounds)])


def attestations(daemon, what, rounds):
    begin = time.monotonic()
    for i in range(rounds):
        daemon.cloison("attest", "--nonce", f"{i:08x}")
    rate = rounds / (time.monotonic() - begin)
    print(f"{what + ': fresh attestations, one client':48} {rate:9.1f} /s   "
          f"read back, proven, signed, committed; n {rounds}", flush=True)


def detection(daemon, tap, rounds):
    """From detaching a guard to the FAILED statement in the log."""
    samples = []
    for i in range(rounds):
        since = len(violations.statements(daemon))
        # not in step with the period
        time.sleep(PERIOD * i / rounds)
        begin = time.monotonic()
        violations.detach(daemon, tap)
        veth.wait_for("FAILED", lambda s=since: violations.caught(
            daemon, "net.default-deny", s, [tap]))
        samples.append(time.monotonic() - begin)
        veth.wait_for("repaired",
                      lambda s=since: violations.repaired(daemon, s))
    row(f"guard detached to FAILED, period {PERIOD} s", samples, "s")
    print(f"  {max(samples) / PERIOD:.2f} periods at most", flush=True)


def main(build, quick=None):
    veth.inside()
    rounds = 1 if quick else 15
    guests = {}
    with tempfile.TemporaryDirectory() as directory:
        guests = world.build()
        daemon = veth.Daemon(build, directory)
        daemon.start()
        applies(daemon, f"{len(guests)} endpoints", world.policy(), rounds)
        attestations(daemon, f"{len(guests)} endpoints", rounds)
        daemon.stop()
    for guest in guests.values():
        veth.run("ip", "link", "del", guest.tap)
        for server in guest.servers:
            server.kill()
            server.wait()
    veth.run("ip", "link", "del", world.BRIDGE)

    count = 10 if quick else ENDPOINTS
    taps(count)
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, period=PERIOD)
        daemon.start()
        applies(daemon, f"{count} endpoints", many(count), rounds)
        attestations(daemon, f"{count} endpoints", rounds)
        memory(daemon)
        detection(daemon, "t0", 1 if quick else 7)
        memory(daemon)
        daemon.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
