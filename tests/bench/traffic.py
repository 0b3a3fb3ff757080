# SPDX-License-Identifier: Apache-2.0
"""Measured exchanges between the two guests of a peer, by bench_traffic."""

import subprocess

import veth
from gauge import Softirq
from peers import PORT, PORTS


class Traffic:
    """Runs both sides of an exchange on one CPU and accounts for it."""

    def __init__(self, program, cpu, threads=True):
        self.program = program
        self.softirq = Softirq([cpu] if threads else [])
        self.counted = self.busy = 0.0

    def start(self, guest, *args):
        """A passive side, once it is ready."""
        process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{guest.name}", self.program, *args],
            text=True, stdout=subprocess.PIPE)
        veth.check_line(process, "ready")
        return process

    def active(self, guest, *args):
        """(wall, CPU) nanoseconds of an active side and of the kernel."""
        before = self.softirq.read()
        done = veth.run("nsenter", f"--net=/run/netns/{guest.name}",
                        self.program, *args, stdout=subprocess.PIPE).stdout
        wall, cpu, busy = map(float, done.split()[-3:])
        self.busy += busy
        return wall, cpu + self.softirq.read() - before

    def exchange(self, peer, passive, active, count):
        """(seconds, CPU nanoseconds per packet)."""
        client, server = peer.guests
        args = [server.address, str(PORT), str(count)]
        before = sum(peer.count("tx"))
        with self.start(server, passive, *args) as process:
            wall, cpu = self.active(client, active, *args)
            cpu += float(process.stdout.readline().split()[1])
        self.counted += cpu
        return wall / 1e9, cpu / (sum(peer.count("tx")) - before)

    def establish(self, peer, first, flows):
        """Datagrams of these flows go both ways."""
        client, server = peer.guests
        self.flood(peer, first, flows, flows)
        self.active(server, "back", client.address, str(PORT), str(flows),
                    str(first), str(flows), "0")

    def pour(self, peer, first, flows, count):
        """Datagrams from client to server: CPU nanoseconds, how many came."""
        client, server = peer.guests
        with self.start(server, "hold", server.address, str(PORT),
                        str(PORTS)) as process:
            before = peer.count("rx")[1]
            _, cpu = self.active(client, "flood", server.address, str(PORT),
                                 str(count), str(first), str(flows), "0")
            got = peer.count("rx")[1] - before
            process.terminate()
        self.counted += cpu
        return cpu, got

    def flood(self, peer, first, flows, count):
        """[CPU nanoseconds per datagram]; every one of them has arrived."""
        cpu, got = self.pour(peer, first, flows, count)
        if got < count:
            raise AssertionError(f"{peer.name}: {got} of {count} arrived")
        return [cpu / count]
