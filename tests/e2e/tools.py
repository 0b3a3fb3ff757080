#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real tools as clients through allowed flows: what a tenant does all day.

iperf3, ping with datagrams that fragment, traceroute, path MTU discovery
through a router, dhclient, jumbo frames with offloads, and a session that
outlives fifty re-applies.
"""

import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

import craft
import frames
import veth
import world
from veth import check, wait_for

IPERF, ECHO, JUMBO, RESET, SMALL_MTU = 5201, 5202, 5203, 5204, 1300
ROUTER, FAR = ("10.0.9.1", "fd00:9::1"), ("198.51.100.2", "2001:db8:9::2")
SERVED = "10.0.1.11" # what dhclient must get: the endpoint's own address
REAPPLIES = 50


def policy():
    far = {"cidr": "198.51.100.0/24"}, {"cidr": "2001:db8:9::/64"}
    traced = ["udp/33434-33534", f"tcp/{ECHO}", f"tcp/{RESET}"]
    rules = [{"name": "web-to-db", "from": {"group": "web"},
              "to": {"group": "db"},
              "ports": [f"{p}/{IPERF}" for p in ("tcp", "udp", "sctp")] +
                       [f"tcp/{ECHO}", f"tcp/{JUMBO}", "icmp", "icmpv6"]},
             {"name": "far", "from": {"group": "web"}, "to": far[0],
              "ports": [*traced, "icmp"]},
             {"name": "far6", "from": {"group": "web"}, "to": far[1],
              "ports": [*traced, "icmpv6"]},
             {"name": "leases", "from": {"segment": "front"},
              "to": {"service": "leases"}}]
    documents = world.policy(acme=world.tenant("acme", rules))
    documents["acme"]["services"] = ["leases"]
    documents["node"]["uplinks"] = [{"interface": "t-router"}]
    documents["node"]["services"] = [
        {"name": "leases", "kind": "node", "addresses": [ROUTER[0]],
         "ports": ["udp/67"]}]
    return documents


@contextlib.contextmanager
def running(guest, *argv):
    """A server in the guest, killed by its own pid."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", guest.name, *argv], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def routed():
    """A router on the bridge, and behind its narrow link a far host."""
    router = veth.Guest("router", "0a:00:00:00:08:01",
                        [f"{ROUTER[0]}/16", f"{ROUTER[1]}/16"], world.BRIDGE)
    veth.run("ip", "netns", "add", "far")
    router.ip("link", "add", "narrow", "mtu", str(SMALL_MTU), "type", "veth",
              "peer", "name", "eth0", "netns", "far")
    router.ip("link", "set", "narrow", "up")
    for knob in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        router.exec("sysctl", "-qw", f"net.{knob}=1")
    for address in ("198.51.100.1/24", "2001:db8:9::1/64"):
        router.ip("address", "add", address, "dev", "narrow",
                  *(["nodad"] if ":" in address else []))
    far = ["ip", "-n", "far"]
    veth.run(*far, "link", "set", "eth0", "up")
    for address, gateway in ((f"{FAR[0]}/24", "198.51.100.1"),
                             (f"{FAR[1]}/64", "2001:db8:9::1")):
        veth.run(*far, "address", "add", address, "dev", "eth0",
                 *(["nodad"] if ":" in address else []))
        veth.run(*far, "route", "add", "default", "via", gateway)
    return router


def route(guest):
    for far, gateway in zip(FAR, ROUTER):
        guest.ip("route", "replace", far, "via", gateway)


# -- streams

def sink(name, port, family=socket.AF_INET6):
    """Count and digest what one client after the other sends."""
    with veth.entered(name):
        listener = socket.create_server(("::", port), family=family,
                                        dualstack_ipv6=True)

    def serve():
        while True:
            client, _ = listener.accept()
            digest = hashlib.sha256()
            with client:
                while data := client.recv(1 << 16):
                    digest.update(data)
                client.sendall(digest.digest())
    threading.Thread(target=serve, daemon=True).start()


def stream(guest, address, port, size):
    """Send so many random bytes; did they arrive as they were?"""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    data = os.urandom(1 << 20) * (size >> 20)
    with veth.entered(guest.name):
        client = socket.socket(family, socket.SOCK_STREAM)
    with client:
        client.settimeout(veth.DEADLINE)
        client.connect((address, port))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return client.recv(32) == hashlib.sha256(data).digest()


def iperf(source, target, *options):
    with running(target, "iperf3", "-s", "-1", "-p", str(IPERF),
                 "--forceflush") as server:
        for line in server.stdout:
            if "listening" in line:
                break
        result = source.exec(
            "iperf3", "-J", "-t", "1", "-p", str(IPERF), "--connect-timeout",
            "5000", *options, check=False, stdout=subprocess.PIPE)
    report = json.loads(result.stdout)
    if "error" in report:
        raise AssertionError(f"iperf3 {options}: {report['error']}")
    return report["end"]


def has_sctp():
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
        return True
    return False


def measure(web, db):
    for family in (4, 6):
        to = world.address(db, family)
        end = iperf(web, db, "-c", to)
        check(end["sum_received"]["bytes"] > 1 << 20, f"iperf3 TCP to {to}")
        end = iperf(web, db, "-c", to, "-R")
        check(end["sum_received"]["bytes"] > 1 << 20, f"iperf3 TCP from {to}")
        end = iperf(web, db, "-c", to, "-u", "-b", "20M")
        check(end["sum"]["packets"] > 100 and end["sum"]["lost_percent"] < 10,
              f"iperf3 UDP to {to}")
        if has_sctp(): # raw frames show SCTP on every kernel
            end = iperf(web, db, "-c", to, "--sctp")
            check(end["sum_received"]["bytes"] > 1 << 20,
                  f"iperf3 SCTP to {to}")


def jumbo(web, db):
    """MTU 9000 and every offload: what crosses the guards is not packets."""
    for guest in (web, db):
        guest.ip("link", "set", "eth0", "mtu", "9000")
        veth.run("ip", "link", "set", guest.tap, "mtu", "9000")
        guest.exec("ethtool", "-K", "eth0", "tx", "on", "sg", "on", "tso",
                   "on", "gso", "on", stdout=subprocess.DEVNULL)
        veth.run("ethtool", "-K", guest.tap, "tx", "on", "sg", "on", "tso",
                 "on", "gso", "on", stdout=subprocess.DEVNULL)
    for family in (4, 6):
        to = world.address(db, family)
        check(stream(web, to, JUMBO, 64 << 20),
              f"64 MiB to {to} with MTU 9000 and offloads")
    for guest in (web, db):
        guest.ip("link", "set", "eth0", "mtu", "1500")
        guest.exec("ethtool", "-K", "eth0", "tx", "off",
                   stdout=subprocess.DEVNULL)


# -- messages

def pings(web, db):
    for family in (4, 6):
        to = world.address(db, family)
        result = web.exec("ping", "-n", "-c", "3", "-i", "0.2", "-W", "5",
                          "-s", "60000", to, check=False,
                          stdout=subprocess.PIPE)
        check(" 0% packet loss" in result.stdout,
              f"three pings of 60000 bytes to {to}")


def traced(web):
    for far, gateway in zip(FAR, ROUTER):
        for options in ((), ("-I",)):
            result = web.exec("traceroute", "-n", "-q", "1", "-w", "3", "-m",
                              "4", *options, far, stdout=subprocess.PIPE)
            hops = re.findall(r"^ *\d+ +(\S+)", result.stdout, re.M)
            check(hops == [gateway, far],
                  f"traceroute {' '.join(options)} {far}: {hops}")


def narrow(web):
    """Only the router's 'packet too big' lets a stream through."""
    for far in FAR:
        check(stream(web, far, ECHO, 2 << 20),
              f"2 MiB to {far} through a link of {SMALL_MTU} bytes")
        got = subprocess.run(["ip", "-n", web.name, "route", "get", far],
                             check=True, text=True, capture_output=True)
        check(f"mtu {SMALL_MTU}" in got.stdout, "the path MTU is known")


def guessed(web, router, daemon):
    """Resets that guess at a live connection do not end it."""
    with veth.entered("far"):
        listener = socket.create_server((FAR[0], RESET))
    with veth.entered(web.name):
        client = socket.create_connection((FAR[0], RESET), 5)
    peer, _ = listener.accept()
    sides = [craft.Host(g.name, g.mac, a, "") for g, a in
             ((router, FAR[0]), (web, web.address))]
    port = frames.Port(router.name)
    reason = frames.REASONS["WINDOW"]

    def counted():
        return sum(d["count"] for d in daemon.json("status")["drops"]
                   if d["reason"] == reason)
    before = counted()
    for seq in range(0x10000000, 0xf0000000, 1 << 25):
        port.send(craft.tcp(*sides, RESET, client.getsockname()[1],
                            craft.RST, seq=seq))
    wait_for("the guesses are counted", lambda: counted() - before > 100)
    with client, peer:
        client.settimeout(10)
        peer.settimeout(10)
        client.sendall(b"ping")
        check(peer.recv(4) == b"ping", "a guessed reset ends no connection")
        peer.sendall(b"pong")
        check(client.recv(4) == b"pong", "in neither direction")


LEASE = """#!/bin/sh
[ -z "$new_ip_address" ] || echo "$new_ip_address" >{}
"""


def leased(web, router, directory):
    got, script = f"{directory}/lease", f"{directory}/script"
    with open(script, "w", encoding="ascii") as file:
        file.write(LEASE.format(got))
    os.chmod(script, 0o755)
    with running(router, "dnsmasq", "--no-daemon", "--port=0", "--conf-file",
                 "--interface=eth0", "--bind-interfaces", "--log-dhcp",
                 "--user=root", f"--dhcp-leasefile={directory}/leases",
                 f"--dhcp-range={SERVED},{SERVED},255.255.0.0",
                 f"--dhcp-host={web.mac},{SERVED}", "--no-ping") as server:
        for line in server.stdout:
            if "sockets bound" in line:
                break
        client = subprocess.Popen(
            ["ip", "netns", "exec", web.name, "dhclient", "-4", "-1", "-d",
             "-sf", script, "-lf", f"{directory}/client", "-pf",
             f"{directory}/pid", "eth0"], stderr=subprocess.DEVNULL)
        try:
            wait_for("a lease", lambda: os.path.exists(got))
        finally:
            client.kill()
            client.wait()
    with open(got, encoding="ascii") as file:
        check(file.read().strip() == SERVED, "dhclient gets its own address")


def session(web, db, daemon):
    """Lines echoed one by one while the policy is applied again and again."""
    with veth.entered(db.name):
        listener = socket.create_server((db.address, ECHO))
    with veth.entered(web.name):
        client = socket.create_connection((db.address, ECHO), 5)

    def echo():
        peer, _ = listener.accept()
        with peer, peer.makefile("rwb", buffering=0) as file:
            for line in file:
                file.write(line)
    threading.Thread(target=echo, daemon=True).start()

    done, lines, wrong = threading.Event(), [0], []

    def talk():
        client.settimeout(10)
        with client, client.makefile("rwb", buffering=0) as file:
            while not done.is_set():
                line = f"line {lines[0]}\n".encode()
                file.write(line)
                back = file.readline()
                if back != line:
                    wrong.append(back)
                    return
                lines[0] += 1
    talker = threading.Thread(target=talk)
    talker.start()
    for i in range(REAPPLIES):
        before = lines[0]
        documents = policy() # each time another policy, so never a no-op
        documents["acme"]["environments"]["production"]["rules"][0][
            "ports"].append(f"tcp/{6000 + i}")
        daemon.apply(documents)
        wait_for("the session goes on",
                 lambda before=before: wrong or lines[0] > before)
    done.set()
    talker.join()
    check(not wrong, f"{lines[0]} lines over {REAPPLIES} re-applies, none lost")


def main(build):
    veth.inside()
    frames.bypass_netfilter()
    guests = world.build()
    router = routed()
    web, db = guests["a-web"], guests["a-db"]
    for name in ("g-web", "g-db", "g-test"): # the same addresses
        guests[name].ip("link", "set", "eth0", "down")
    sink("a-db", JUMBO)
    sink("far", ECHO)
    route(web)
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(policy())
        measure(web, db)
        pings(web, db)
        traced(web)
        narrow(web)
        guessed(web, router, daemon)
        jumbo(web, db)
        leased(web, router, directory)
        session(web, db, daemon)
        check(daemon.predicate("--nonce", "01")["verdict"] == "PASSED",
              "the attestation reads PASSED")
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
