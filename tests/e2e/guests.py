#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real guests that attack: each attack first shown to work without a guard."""

import os
import signal
import sys
import time
import unittest
from collections.abc import Callable
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

# pylint: disable=wrong-import-position
from lab import Lab, Spec, frames, image, probing, scenario
from lab.frames import ether, ip
from lab.node import PINS, Node

BUILD = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/release"
POLICY = ROOT / "scripts/lab/policy"
DEADLINE = 60.0

WEB, DB = scenario.SPECS["acme-web"], scenario.SPECS["acme-db"]
GHOST = "52:54:00:0f:00:0f" # nobody's MAC
STRANGER = "10.0.1.99" # in the segment, nobody's address


def hostile() -> dict[str, list[bytes]]:
    """What acme-web may never get through to acme-db, its legal peer."""
    def to_db(kind: int, payload: bytes, src: str = WEB.mac) -> bytes:
        return ether(src, DB.mac, kind, payload)
    ping = frames.echo_request(WEB.ip4, DB.ip4)
    web8080 = frames.tcp(WEB.ip4, DB.ip4, 8080)
    return {
        "another MAC": [to_db(*ping, src=GHOST)],
        "another's address": [to_db(*frames.echo_request(STRANGER, DB.ip4))],
        "another tenant's MAC": [to_db(*ping, src="52:54:00:0b:00:01")],
        "an address outside": [to_db(*frames.udp("192.0.2.1", DB.ip4, 5353))],
        "a segment in the middle": [
            to_db(*frames.tcp(WEB.ip4, DB.ip4, 8080, flags=0x10))],
        "a forbidden port": [to_db(*frames.tcp(WEB.ip4, DB.ip4, 2222))],
        "an unknown IPv4 option": [
            to_db(*ip(WEB.ip4, DB.ip4, frames.TCP, web8080[1][20:],
                      options=b"\x1e\4\0\0"))],
        "a fragment": [to_db(*ip(WEB.ip4, DB.ip4, frames.ICMP, b"x" * 16,
                                 fragment=0x2001))],
        "GRE": [to_db(*ip(WEB.ip4, DB.ip4, 47, b"\0" * 8))],
        "an unknown ethertype": [to_db(0x88B5, b"cloison!" * 6)],
        "a header longer than its packet": [
            to_db(frames.IPV4, b"\x4f\0\0\x14" + ping[1][4:20] + b"\0" * 26)],
        "ARP in another's name": [
            frames.arp(WEB.mac, STRANGER, DB.ip4),
            frames.arp(WEB.mac, STRANGER, DB.ip4, reply_to=DB.mac),
            frames.arp(GHOST, WEB.ip4, DB.ip4)],
    }


class Guests(unittest.TestCase):
    """One lab for all: tests leave it as they found it."""

    lab: Lab
    node: Node
    prober: probing.Prober

    @classmethod
    def setUpClass(cls) -> None:
        lab = Lab()
        lab.__enter__() # pylint: disable=unnecessary-dunder-call
        cls.addClassCleanup(lab.stop)
        lab.boot(scenario.SPECS.values())
        cls.lab, cls.prober = lab, probing.Prober(lab)
        cls.open_bridge = {name: cls.arrives(attack)
                           for name, attack in hostile().items()}
        cls.node = Node(lab, BUILD)
        cls.node.start()
        cls.node.apply(POLICY)

    @classmethod
    def tearDownClass(cls) -> None:
        if os.environ.get("CLO_LAB_LOG"):
            print(cls.node.log())

    # -- help

    @classmethod
    def arrives(cls, attack: list[bytes]) -> bool:
        """Did any of acme-web's frames reach any guest?

        A flow that is allowed follows on the same path, in IPv6: once it is
        answered, what was sent before has arrived or never will. The two know
        each other for good: an entry that an attack on the open bridge made
        would be probed seconds later, and acme-web's lawful answer counted.
        """
        web = cls.lab.guests[WEB.name]
        db = cls.lab.guests[DB.name]
        for guest, peer in ((web, DB), (db, WEB)):
            guest.sh(probing.here("labguest neigh eth0", [
                f"add {address} {peer.mac}"
                for address in (peer.ip4, peer.ip6)]))
        cls.prober.hears()
        answer = web.sh(
            probing.here("labguest frame eth0", [f.hex() for f in attack])
            + probing.here("labguest probe 0 20000",
                           [f"marker tcp {DB.ip6} 8080 1"]))
        if answer.strip() != f"marker {DB.name}":
            raise AssertionError(f"the legal neighbour is lost: {answer}")
        return any(ethertype != "86dd" and mac in (WEB.mac, GHOST)
                   or mac == "52:54:00:0b:00:01" and name == DB.name
                   for name, mac, ethertype, _ in cls.prober.hears())

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not holds():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)

    def holds(self) -> None:
        """The whole matrix, as written by hand."""
        seen = self.prober.probe(scenario.ALLOWED)
        self.assertEqual(probing.faults(seen, scenario.ALLOWED), [])

    # -- the claims

    def test_matrix(self) -> None:
        self.holds()

    def test_neighbours_resolve(self) -> None:
        """ARP and ND find the tenant's own guest, though another has its
        address on the same bridge."""
        seen = self.prober.probe_resolving(scenario.ALLOWED)
        self.assertEqual(probing.faults(seen, scenario.ALLOWED), [])

    def test_hostile_frames(self) -> None:
        for name, attack in hostile().items():
            with self.subTest(name):
                self.assertTrue(self.open_bridge[name],
                                "without a guard it must arrive")
                self.assertFalse(self.arrives(attack))

    def test_killed_during_a_transfer(self) -> None:
        web = self.lab.guests[WEB.name]
        web.sh(probing.here("labguest neigh eth0", [f"add {DB.ip4} {DB.mac}"]))
        self.lab.guests[DB.name].sh(probing.here(
            "labguest neigh eth0", [f"add {WEB.ip4} {WEB.mac}"]))
        web.sh("rm -f /tmp/echo; (while echo tick; do usleep 50000; done | "
               f"nc {DB.ip4} 8080 >/tmp/echo 2>&1; echo over >>/tmp/echo) "
               ">/dev/null 2>&1 &")
        def ticks() -> int:
            lines = web.sh("cat /tmp/echo").split()
            self.assertNotIn("over", lines)
            return lines.count("tick")
        def flows(why: str) -> None:
            start = ticks()
            self.until(why, lambda: ticks() > start + 20)
        try:
            flows("the transfer runs")
            pins = self.node.pins()
            gaps = self.gaps()
            self.node.end(signal.SIGKILL)
            flows("it goes on without cloisond")
            self.assertEqual(self.node.pins(), pins)
            self.holds()
            flows("and after the attacks")
            self.node.start()
            flows("and with the new cloisond")
            self.assertEqual(self.gaps(), gaps + 1)
        finally:
            web.sh("killall nc", check=False)
            if not self.node.pid:
                self.node.start()
        self.assertIn("datapath adopted", self.node.log())

    def gaps(self) -> int:
        """Interruptions of cloisond that the statements speak of."""
        return len({gap["from"] for statement in self.node.statements()
                    for gap in statement.predicate()["gaps"]
                    if gap["reason"].startswith("agent ")})

    def test_undeclared_guest_is_mute(self) -> None:
        spec = Spec("rogue", "52:54:00:0c:00:01",
                    ("10.0.1.66/24", "fd00:1::66/64"))
        rogue, = self.lab.boot([spec])
        try:
            index = self.lab.ifindex(self.lab.tap("rogue"))
            self.until("the rogue tap is guarded", lambda: any(
                port["ifindex"] == index and port["guarded"]
                for port in self.node.ask("endpoints")["undeclared"]))
            self.prober.hears()
            answer = rogue.sh(
                probing.here("labguest neigh eth0",
                             [f"add {DB.ip4} {DB.mac}"])
                + probing.here("labguest frame eth0", [
                    f.hex() for f in frames.burst(spec.mac, DB.mac, spec.ip4,
                                                  DB.ip4)])
                + probing.here("labguest probe 1000 1000", [
                    f"ping icmp {DB.ip4} 0 0", f"tcp tcp {DB.ip4} 8080 0"]))
            self.assertEqual(answer.split(), ["ping", "-", "tcp", "-"])
            self.assertFalse([key for key in self.prober.hears()
                              if key[1] == spec.mac])
        finally:
            self.lab.destroy(rogue)

    def test_hot_plugged_nic_is_mute(self) -> None:
        nic = (f"<interface type='bridge'><mac address='{GHOST}'/>"
               f"<source bridge='{self.lab.bridge}'/><model type='virtio'/>"
               "<driver name='qemu'/><rom enabled='no'/></interface>")
        web = self.lab.guests[WEB.name]
        self.lab.path("nic.xml").write_text(nic)
        file = f"{self.lab.home}/nic.xml"
        self.lab.run(["virsh", "-q", "attach-device", WEB.name, file])
        try:
            self.until("the guest sees its new NIC", lambda: "eth1" in web.sh(
                "ls /sys/class/net"))
            self.until("the new tap is guarded", lambda: any(
                port["guarded"]
                for port in self.node.ask("endpoints")["undeclared"]))
            self.prober.hears()
            web.sh("ip link set eth1 up\n" + probing.here(
                "labguest frame eth1",
                [f.hex() for f in frames.burst(GHOST, DB.mac, WEB.ip4,
                                               DB.ip4)]))
            self.assertFalse(self.arrives([]))
        finally:
            self.lab.run(["virsh", "-q", "detach-device", WEB.name, file])
        self.until("its guard is gone with it", lambda: not self.node.ask(
            "endpoints")["undeclared"])

    def test_stopped_guest_leaves_no_pin(self) -> None:
        victim = scenario.SPECS["globex-dev"]
        index = self.lab.ifindex(self.lab.tap(victim.name))
        self.assertIn(f"link/{index}/from_guest", self.node.pins())
        self.lab.destroy(self.lab.guests[victim.name])
        self.until(f"pins of {PINS}/link/{index} go", lambda: not any(
            pin.startswith(f"link/{index}/") for pin in self.node.pins()))
        guest, = self.lab.boot([victim])
        self.prober.guests = [self.lab.guests[n] for n in scenario.SPECS]
        self.assertEqual(guest.name, victim.name)
        self.until("it is guarded again", lambda: all(
            endpoint["guarded"]
            for endpoint in self.node.ask("endpoints")["endpoints"]))
        self.holds()


if __name__ == "__main__":
    if os.geteuid() != 0 or not (image.CACHE / "release").exists():
        print("skipped: needs root, and the guest kernel of scripts/install-deps")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
