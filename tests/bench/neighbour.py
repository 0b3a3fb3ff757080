#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a tenant pays for a neighbour who opens flows as fast as it can.

Two pairs of guests in one node: one has established flows, which are measured;
the other one's client sends one datagram after another, on the other CPU or on
the same one. It sends them on one established flow or on a new flow each, both
times at the same rate, so what differs is the opening of flows alone. Without
a filter there is nothing to open: what differs there is noise.
On the same CPU the kernel's threads work for both pairs and are left out.
usage: neighbour.py BUILD [--quick]
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile

from gauge import Samples, beside, inside

import guarded
import veth
from peers import FILTERS, MOVED, PORT, PORTS, Peer
from traffic import Traffic

ROUNDS = 15
TCP_BYTES, UDP_ASKS = 64 << 20, 10000
EVERY_FLOW = 60000 * PORTS # then they come again
ENDLESS = 1 << 40
FULL = 0
BASE, NEW = "one flow", "new flows"
FASTEST = "at full speed" # of new flows


class Hostile:
    """The neighbour at work, until the block ends."""

    def __init__(self, traffic, peer, cpu, flows, rate):
        self.client, self.server = peer.guests
        self.peer, self.traffic = peer, traffic
        self.argv = ["taskset", "-c", str(cpu), "nsenter",
                     f"--net=/run/netns/{self.client.name}",
                     traffic.program, "flood", self.server.address, str(PORT),
                     str(ENDLESS), str(0 if flows == 1 else 1), str(flows),
                     str(rate)]
        self.rate = self.arrived = 0.0

    def sent(self):
        return self.peer.count("tx")[0]

    def __enter__(self):
        self.holder = self.traffic.start(self.server, "hold",
                                         self.server.address, str(PORT),
                                         str(PORTS))
        self.before = self.peer.count("rx")[1]
        start = self.sent()
        self.process = subprocess.Popen(self.argv, text=True,
                                        stdout=subprocess.PIPE)
        veth.wait_for("the neighbour sends",
                      lambda: self.sent() > start + 1000)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        done = self.process.communicate()[0].split()
        self.holder.terminate()
        self.holder.communicate()
        count, wall = float(done[0]), float(done[1])
        self.rate = count * 1e9 / wall
        self.arrived = (self.peer.count("rx")[1] - self.before) / count


def node(name, index):
    """Two peers filtered as FILTERS has it, in one node."""
    veth.run("ip", "netns", "add", f"node-{name}")
    pair = [Peer(f"{name}{letter}", index + i, f"node-{name}")
            for i, letter in enumerate("vh")]
    problem = FILTERS[name][0](pair[0])
    if problem:
        print(f"not measured: {name}: {problem}")
        return None
    return pair


def build(daemon):
    """{name: (tenant's pair, neighbour's pair)}."""
    veth.run("ip", "link", "add", MOVED, "type", "bridge")
    found = {name: node(name, 1 + 2 * i)
             for i, name in enumerate(("none", "nft"))}
    daemon.start()
    found["cloison"] = [Peer("clov", 5), Peer("cloh", 6)]
    daemon.apply(guarded.policy(found["cloison"]))
    return {name: pair for name, pair in found.items() if pair}


def victim(traffic, pair, scale):
    """TCP and UDP: (throughput, CPU per packet) each."""
    seconds, tcp = traffic.exchange(pair, "sink", "source", TCP_BYTES // scale)
    rate = 8e-6 * (TCP_BYTES // scale) / seconds
    seconds, udp = traffic.exchange(pair, "echo", "ask", UDP_ASKS // scale)
    return rate, tcp, UDP_ASKS // scale / seconds, udp


def one(traffic, pairs, cpu, rounds, scale):
    """One subject with the neighbour on `cpu`: figures, and the neighbour's
    packets per second and share that arrived, by mode."""
    samples = [Samples(what, unit, BASE) for what, unit in (
        ("TCP stream", "Mbit/s"), ("TCP stream", "ns of CPU per packet"),
        ("UDP request and response", "/s"),
        ("UDP request and response", "ns of CPU per packet"))]
    rates = {}

    def run(mode, flows, rate):
        with (Hostile(traffic, pairs[1], cpu, flows, rate) if flows
              else contextlib.nullcontext()) as hostile:
            found = victim(traffic, pairs[0], scale)
        if hostile:
            rates.setdefault(mode, []).append((hostile.rate, hostile.arrived))
        return found

    run("calibration", EVERY_FLOW, FULL)
    rate = 0.8 * rates.pop("calibration")[0][0]
    base, modes = (BASE, 1, rate), [
        (NEW, EVERY_FLOW, rate), (FASTEST, EVERY_FLOW, FULL),
        ("alone", None, None)]
    for i in range(rounds):
        for mode, found, at_base in beside(base, modes[i % 3:] + modes[:i % 3],
                                           lambda m: run(*m)):
            for sample, value, other in zip(samples, found, at_base):
                sample.add(mode[0], value, other)
    return samples, rates


def show(name, samples, rates):
    print(f"\n-- {name}", flush=True)
    for sample in samples:
        sample.show()
    for mode, values in rates.items():
        rate, arrived = (statistics.median(v) for v in zip(*values))
        print(f"  the neighbour, {mode}: {rate:.0f} packets/s, "
              f"{100 * arrived:.0f}% of them arrived", flush=True)


def show_table(mode, results):
    figures = [f"{s.what}, {s.unit}" for s in next(iter(results.values()))[0]]
    print(f"\n| neighbour: {mode}; relative to packets of one flow: median "
          "[min-max] | " + " | ".join(figures) + " |")
    print("|---|" + "---|" * len(figures))
    for name, (samples, _) in results.items():
        print(f"| {name} | " + " | ".join(s.cell(mode) for s in samples)
              + " |", flush=True)


def main(directory, quick=None):
    inside()
    cpus = sorted(os.sched_getaffinity(0))
    program = f"{directory}/tests/bench/bench_traffic"
    rounds, scale = (1, 64) if quick else (ROUNDS, 1)
    results = {}
    with contextlib.ExitStack() as stack:
        state = stack.enter_context(tempfile.TemporaryDirectory())
        daemon = veth.Daemon(directory, state, options=guarded.OPTIONS)
        pairs = build(daemon)
        stack.callback(daemon.stop)
        os.sched_setaffinity(0, {cpus[0]})
        for where, cpu in (("other", cpus[-1]), ("same", cpus[0])):
            if where == "other" and cpu == cpus[0]:
                print("not measured: the other CPU, there is only one")
                continue
            traffic = Traffic(program, cpus[0], where == "other")
            for name, both in pairs.items():
                for peer in both:
                    traffic.establish(peer, 0, 1)
                name += f", neighbour on the {where} CPU"
                results[name] = one(traffic, both, cpu, rounds, scale)
                show(name, *results[name])
    for mode in (NEW, FASTEST):
        show_table(mode, results)


if __name__ == "__main__":
    main(*sys.argv[1:])
