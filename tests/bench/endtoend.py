#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What guards cost on a whole path: guest, tap, bridge, tap, guest.

Pairs of namespaces on bridges of their own: one without guards, one guarded by
the daemon, one filtered by nftables with connection tracking and a set of
10,000 elements where nft and the kernel have that. All in the same rounds.
CPU time is that of sender and receiver: the kernel's work for veth and bridge
is charged to them, on one CPU. Offloads are off, so every packet has the size of the MTU.
usage: endtoend.py BUILD [--quick]
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

import veth  # noqa: E402

PORT = 5001
MOVED = "br-moved"  # where a tap is until it moves to its node
TCP_BYTES, UDP_ASKS = 512 << 20, 40000
NFT = """
table bridge bench {{
  set flows {{
    type ipv4_addr . ipv4_addr . inet_proto . inet_service
    elements = {{ {elements} }}
  }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    ct state established accept
    ether type arp accept
    ip saddr . ip daddr . meta l4proto . th dport @flows accept
  }}
}}
"""


class Pair:
    """Two guests on a bridge of their own; `node`: its network namespace."""

    def __init__(self, name, index, node=None):
        self.name, self.bridge = name, f"br-{name}"
        ip = ["ip", "-n", node] if node else ["ip"]
        veth.run(*ip, "link", "add", self.bridge, "type", "bridge",
                 "mcast_snooping", "0")
        veth.run(*ip, "link", "set", self.bridge, "up")
        self.guests = []
        for i in (1, 2):
            guest = veth.Guest(f"{name}{i}", f"0a:00:00:00:{index:02x}:0{i}",
                               [f"10.0.0.{i}/24"],
                               MOVED if node else self.bridge)
            guest.exec("ethtool", "-K", "eth0", "gso", "off", "gro", "off",
                       check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
            if node:
                veth.run("ip", "link", "set", guest.tap, "netns", node)
                veth.run(*ip, "link", "set", guest.tap, "master", self.bridge,
                         "up")
            self.guests.append(guest)

    def packets(self):
        return sum(int(guest.exec(
            "cat", "/sys/class/net/eth0/statistics/tx_packets",
            stdout=subprocess.PIPE).stdout) for guest in self.guests)

    def exchange(self, traffic, passive, active, count):
        """(seconds, CPU nanoseconds per packet)."""
        client, server = self.guests
        args = [server.address, str(PORT), str(count)]
        before = self.packets()
        with subprocess.Popen(
                ["ip", "netns", "exec", server.name, traffic, passive, *args],
                text=True, stdout=subprocess.PIPE) as process:
            veth.check_line(process, "ready")
            done = client.exec(traffic, active, *args,
                               stdout=subprocess.PIPE).stdout.split()
            other = process.stdout.readline().split()
        cpu = float(done[1]) + float(other[1])
        return float(done[0]) / 1e9, cpu / (self.packets() - before)


def policy(pair):
    documents = {
        "node": {"apiVersion": "cloison/v1", "kind": "Node", "name": "bench",
                 "bridges": [pair.bridge], "addresses": ["10.9.0.1"]},
        "tenant": {"apiVersion": "cloison/v1", "kind": "Tenant", "name": "t",
                   "qualification": 1, "environments": {"production": {
                       "segments": [{"name": "s", "cidrs": ["10.0.0.0/24"]}],
                       "groups": ["web", "db"],
                       "rules": [{"name": "r", "from": {"group": "web"},
                                  "to": {"group": "db"},
                                  "ports": [f"tcp/{PORT}",
                                            f"udp/{PORT}"]}]}}}}
    for guest, group in zip(pair.guests, ("web", "db")):
        documents[guest.name] = {
            "apiVersion": "cloison/v1", "kind": "Workload",
            "name": guest.name, "tenant": "t", "environment": "production",
            "interfaces": [{"mac": guest.mac, "segment": "s",
                            "addresses": [guest.address], "groups": [group],
                            "device": guest.tap}]}
    return documents


def filtered(pairs):
    """Add the nftables pair, in a node of its own; False: no such thing."""
    elements = [f"10.0.0.1 . 10.0.0.2 . {p} . {PORT}" for p in ("tcp", "udp")]
    elements += [f"10.1.{i >> 8}.{i & 255} . 10.0.0.2 . tcp . {PORT}"
                 for i in range(10000)]
    veth.run("ip", "netns", "add", "nft-node")
    rules = NFT.format(elements=", ".join(elements))
    if not shutil.which("nft") or veth.run(
            "ip", "netns", "exec", "nft-node", "nft", "-f", "-", check=False,
            input=rules, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    veth.run("ip", "link", "add", MOVED, "type", "bridge")
    pairs.append(Pair("nft", len(pairs) + 1, "nft-node"))
    return True


def report(what, unit, samples):
    """Medians; relative to the pair without guards, round by round."""
    for name, values in samples.items():
        pairs = list(zip(values, samples["plain"]))
        ratio = statistics.median(v / base for v, base in pairs)
        more = statistics.median(v - base for v, base in pairs)
        print(f"{what:34} {name:8} {statistics.median(values):10.1f} "
              f"{unit:7} {ratio:6.3f}x {more:+10.1f}  min {min(values):.1f} "
              f"max {max(values):.1f} n {len(values)}", flush=True)


def measure(pairs, traffic, rounds, scale):
    tcp, udp = TCP_BYTES // scale, UDP_ASKS // scale
    rate, per_packet, asks, per_ask = ({p.name: [] for p in pairs}
                                       for _ in range(4))
    for i in range(rounds):
        # another one begins each time
        for pair in pairs[i % len(pairs):] + pairs[:i % len(pairs)]:
            seconds, cpu = pair.exchange(traffic, "sink", "source", tcp)
            rate[pair.name].append(8e-6 * tcp / seconds)
            per_packet[pair.name].append(cpu)
            seconds, cpu = pair.exchange(traffic, "echo", "ask", udp)
            asks[pair.name].append(udp / seconds)
            per_ask[pair.name].append(cpu)
    report("TCP stream: throughput, wall", "Mbit/s", rate)
    report("TCP stream: CPU per packet", "ns", per_packet)
    report("UDP ask and answer: rate, wall", "/s", asks)
    report("UDP ask and answer: CPU per packet", "ns", per_ask)


def main(build, quick=None):
    veth.inside()
    # both sides on one CPU: else the figures are those of the scheduler
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pairs = [Pair("plain", 1), Pair("guarded", 2)]
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(policy(pairs[1]))
        if not filtered(pairs):
            print("nftables: not measured, no nft or no kernel support")
        traffic = f"{build}/tests/bench/bench_traffic"
        measure(pairs, traffic, 1 if quick else 7, 64 if quick else 1)
        daemon.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
