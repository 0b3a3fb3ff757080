#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long the gateway's answers take where the log has a million records: over
one connection, TLS and all, and what the gateway weighs then.

usage: query.py BUILD [RECORDS] [--quick]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import types

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

import gateway_rig  # noqa: E402
import veth  # noqa: E402

PORT = 8443


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def queries(now):
    lists = "/v1/attestations"
    half = now - 365 * 43200
    return {
        "the newest 50": lists,
        "the newest 500": f"{lists}?limit=500",
        "50 of half a year ago": f"{lists}?until={stamp(half)}",
        "a tenant": f"{lists}?tenant=acme",
        "a tenant with 100 records": f"{lists}?tenant=rare",
        "a tenant without any": f"{lists}?tenant=absent",
        "a tenant's environment":
            f"{lists}?tenant=acme&environment=test",
        "an environment": f"{lists}?environment=test",
        "violations, 1 in 100": f"{lists}?kind=violation/v1",
        "FAILED, 1 in 5000": f"{lists}?verdict=FAILED",
        "a control that passed": f"{lists}?control=net.default-deny:PASS",
        "a control that failed": f"{lists}?control=net.default-deny:FAIL",
        "status": "/v1/status",
        "checkpoint": "/v1/log/checkpoint",
    }


class Measure:
    """One connection, as a control plane keeps it."""

    def __init__(self, client, rounds):
        self.connection, self.rounds = client.connect(), rounds

    def get(self, target):
        self.connection.request("GET", target)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise AssertionError(f"{target}: {answer.status} {body[:200]}")
        return body

    def row(self, what, targets):
        samples = []
        self.get(targets[0])
        for i in range(self.rounds):
            begin = time.monotonic()
            self.get(targets[i % len(targets)])
            samples.append(1000 * (time.monotonic() - begin))
        cuts = statistics.quantiles(samples, n=100)
        print(f"{what:28} p50 {cuts[49]:8.2f} ms  p99 {cuts[98]:8.2f} ms",
              flush=True)


def fill(build, home, records):
    begin = time.monotonic()
    subprocess.run([f"{build}/tests/bench/bench_bulk", f"{home}/log.sqlite",
                    f"{home}/key", str(records)], check=True)
    rate = records / (time.monotonic() - begin)
    size = os.path.getsize(f"{home}/log.sqlite") / (1 << 20)
    print(f"{records} records, {size:.0f} MiB, signed and committed in groups: "
          f"{rate:.0f}/s", flush=True)
    for suffix in ("", "-wal", "-shm"):
        os.chown(f"{home}/log.sqlite{suffix}", 0, gateway_rig.READERS)
        os.chmod(f"{home}/log.sqlite{suffix}", 0o640)


def digests(measure):
    """Of records over the whole log, as /v1/attestations names them."""
    import json # pylint: disable=import-outside-toplevel
    found = []
    for part in range(20):
        until = stamp(time.time() - part * 365 * 86400 / 20)
        page = json.loads(measure.get(f"/v1/attestations?until={until}&limit=5"))
        found += [item["digest"] for item in page["items"]]
    return found


def main(build, *options):
    veth.inside()
    quick = "--quick" in options
    records = [int(o) for o in options if o != "--quick"]
    gateway_rig.add_user()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        os.chmod(home, 0o711)
        fill(build, home, records[0] if records else
             2000 if quick else 1000000)
        authority = gateway_rig.Authority(f"{home}/pki")
        authority.sign("node", "IP:127.0.0.1", "serverAuth")
        authority.sign("plane", "URI:urn:cloison:role:control-plane")
        veth.run("chown", "-R", str(gateway_rig.UID), f"{home}/pki")
        nobody = types.SimpleNamespace(state=home, socket=f"{home}/none")
        gateway = gateway_rig.Gateway(build, home, nobody, authority, PORT,
                                      "--requests", "60000")
        gateway.start()
        measure = Measure(gateway_rig.Client(authority, PORT, "plane"),
                          3 if quick else 200)
        for what, target in queries(time.time()).items():
            measure.row(what, [target])
        some = digests(measure)
        for what, tail in (("an envelope", ""), ("a proof", "/proof"),
                           ("a bundle", "/bundle")):
            measure.row(what, [f"/v1/attestations/{digest}{tail}"
                               for digest in some])
        with open(f"/proc/{gateway.process.pid}/status",
                  encoding="ascii") as file:
            resident = next(int(line.split()[1]) for line in file
                            if line.startswith("VmRSS"))
        print(f"cloison-gateway resident {resident / 1024:.1f} MiB")
        gateway.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
