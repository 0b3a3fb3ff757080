#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One rule changed in a large policy: what an apply costs, part by part.

Wall time of the daemon's parts and of the command, on namespaces of its own.
usage: change.py BUILD [--quick]
"""

import os
import random
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

import veth  # noqa: E402

ENVIRONMENTS = ("production", "test", "development")
TENANTS, GROUPS, RULES, WORKLOADS = 50, 20, 666, 10000
PARTS = ("parse", "compile", "prove", "load", "readback")


def scope(dice, number, rules):
    return {
        "segments": [{"name": "s", "cidrs": [f"10.{number}.0.0/16"]}],
        "groups": [f"g{i}" for i in range(GROUPS)],
        "rules": [{"name": f"r{i}",
                   "from": {"group": f"g{dice.randrange(GROUPS)}"},
                   "to": {"group": f"g{dice.randrange(GROUPS)}"},
                   "ports": [f"tcp/{1000 + dice.randrange(1000)}"]}
                  for i in range(rules)]}


def workload(i):
    number = i // TENANTS % len(ENVIRONMENTS)
    host = i // TENANTS // len(ENVIRONMENTS) + 1
    return {"apiVersion": "cloison/v1", "kind": "Workload", "name": f"w{i}",
            "domain": f"w{i}", "tenant": f"t{i % TENANTS}",
            "environment": ENVIRONMENTS[number],
            "interfaces": [{
                "mac": f"0a:00:00:{i >> 16:02x}:{i >> 8 & 255:02x}:"
                       f"{i & 255:02x}",
                "segment": "s", "groups": [f"g{host % GROUPS}"],
                "addresses": [f"10.{number}.{host // 250}."
                              f"{host % 250 + 1}"]}]}


def policy(rules, workloads):
    """Tenants and workloads by tens: a file's size is bounded."""
    dice = random.Random(1)
    documents = {"node": {
        "apiVersion": "cloison/v1", "kind": "Node", "name": "bench",
        "bridges": ["clobr0"], "addresses": ["10.9.0.1"]}}
    for t in range(TENANTS):
        documents[f"t{t}"] = {
            "apiVersion": "cloison/v1", "kind": "Tenant", "name": f"t{t}",
            "qualification": 1, "environments": {
                e: scope(dice, n, rules) for n, e in enumerate(ENVIRONMENTS)}}
    for first in range(0, workloads, 1000):
        documents[f"w{first}"] = [
            workload(i) for i in range(first, min(first + 1000, workloads))]
    return documents


def change(documents, i):
    """A rule amid the others serves another port, which has a class."""
    tenant = documents[f"t{TENANTS // 2}"]
    rules = tenant["environments"]["test"]["rules"]
    rules[len(rules) // 2]["ports"] = [f"tcp/{1000 + i}"]


def apply_changed(daemon, documents):
    """As daemon.apply(), with the parts of its answer and the command's time."""
    path = f"{daemon.directory}/policy"
    veth.write_documents(path, documents)
    begin = time.monotonic()
    answer = daemon.json("apply", path, check=True)
    return dict(answer["ms"], command=1000 * (time.monotonic() - begin))


def main(build, quick=None):
    veth.inside()
    rounds = 1 if quick else 7
    documents = policy(10 if quick else RULES, 300 if quick else WORKLOADS)
    veth.run("ip", "link", "add", "clobr0", "type", "bridge")
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(documents)
        samples = []
        for i in range(rounds):
            change(documents, i)
            samples.append(apply_changed(daemon, documents))
        for part in (*PARTS, "command"):
            values = [sample[part] for sample in samples]
            print(f"one rule of {TENANTS * 3 * (10 if quick else RULES)} "
                  f"changed: {part:10} {statistics.median(values):9.2f} ms   "
                  f"min {min(values):.2f} max {max(values):.2f} n {rounds}",
                  flush=True)
        daemon.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
