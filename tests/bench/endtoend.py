#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a filter costs on a whole path: guest, tap, bridge, tap, guest.

Each way to filter has two guests and a bridge of its own; all of them take
part in each round, another one first each time, and before and after each runs
the pair that nothing filters. Figures are CPU time for each packet; gauge.py
says where the kernel charges it. Offloads are off, so every packet has the size
of the MTU.
usage: endtoend.py BUILD [--quick]
"""

import contextlib
import itertools
import os
import sys
import tempfile

from gauge import Samples, beside, inside, table

import guarded
import veth
from peers import FILTERS, MOVED, Peer
from traffic import Traffic

TCP_BYTES, UDP_ASKS, NEW_FLOWS = 96 << 20, 20000, 10000
# of the 262,144 that connection tracking holds unless the node's operator
# says otherwise; far behind the flows that are new
MANY_FLOWS, MANY_FIRST = 50000, 1100000
ROUNDS = 15


def build(daemon):
    """Peers, notes by name; what could not be built is printed."""
    peers, notes = [], {}
    veth.run("ip", "link", "add", MOVED, "type", "bridge")
    for index, (name, (apply, note)) in enumerate(FILTERS.items(), 1):
        veth.run("ip", "netns", "add", f"node-{name}")
        veth.run("ip", "-n", f"node-{name}", "link", "set", "lo", "up")
        peer = Peer(name, index, f"node-{name}")
        problem = apply(peer)
        if problem:
            print(f"not measured: {name} ({note}): {problem}")
            continue
        peers.append(peer)
        notes[name] = note
    return peers + guarded.build(daemon, len(FILTERS) + 1), {
        **notes, **guarded.NOTES}


def really(traffic, peers, notes):
    """A peer is called what it does."""
    found = []
    for peer in peers:
        if peer.name in guarded.NOTES:
            traffic.establish(peer, 0, 1)
            if guarded.uses_bridge(traffic, peer) != (peer.name == "cloison"):
                print(f"not measured: {peer.name} ({notes[peer.name]}): "
                      "its frames do not take this way")
                continue
        found.append(peer)
    return found


def measure(peers, traffic, rounds, scale):
    base, *others = peers
    tcp, udp, new = TCP_BYTES // scale, UDP_ASKS // scale, NEW_FLOWS // scale
    many = MANY_FLOWS // scale
    firsts = {peer.name: itertools.count(1, new) for peer in peers}
    actions = {
        "TCP stream": lambda p: traffic.exchange(p, "sink", "source", tcp),
        "UDP request and response":
            lambda p: traffic.exchange(p, "echo", "ask", udp),
        "packets of one UDP flow": lambda p: traffic.flood(p, 0, 1, new),
        f"packets of {many:,} UDP flows":
            lambda p: traffic.flood(p, MANY_FIRST, many, new),
        "first packets of UDP flows":
            lambda p: traffic.flood(p, next(firsts[p.name]), new, new)}
    figures = [Samples(what, "ns of CPU per packet", base.name)
               for what in actions]
    for peer in peers:
        traffic.establish(peer, 0, 1)
        traffic.establish(peer, MANY_FIRST, many)
    for i in range(rounds):
        turn = i % len(others)
        for figure, action in zip(figures, actions.values()):
            for peer, found, at_base in beside(
                    base, others[turn:] + others[:turn], action):
                figure.add(peer.name, found[-1], at_base[-1])
    return figures


def main(directory, program, quick=None):
    inside()
    # both sides on one CPU: else the figures are those of the scheduler
    cpu = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    with contextlib.ExitStack() as stack:
        state = stack.enter_context(tempfile.TemporaryDirectory())
        daemon = veth.Daemon(directory, state, options=guarded.OPTIONS)
        peers, notes = build(daemon)
        stack.callback(daemon.stop)
        traffic = Traffic(program, cpu)
        peers = really(traffic, peers, notes)
        figures = measure(peers, traffic, 2 if quick else ROUNDS,
                          64 if quick else 1)
    for figure in figures:
        figure.show()
    if not traffic.softirq.visible:
        print("ksoftirqd is not visible from here: its share is missing")
    elif traffic.busy > 1e9: # it counts in steps of 10 ms
        print(f"\naccounted for: {100 * traffic.counted / traffic.busy:.0f}% "
              f"of what /proc/stat says CPU {cpu} worked meanwhile")
    table("CPU per packet relative to no filter", figures,
          {peer.name: f"{peer.name}: {notes[peer.name]}" for peer in peers})


if __name__ == "__main__":
    build_directory = sys.argv[1]
    main(build_directory, f"{build_directory}/tests/bench/bench_traffic",
         *sys.argv[2:])
