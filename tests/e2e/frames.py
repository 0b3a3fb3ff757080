# SPDX-License-Identifier: Apache-2.0
"""A stage for crafted frames: who hears a frame, and why nobody did.

Each guest, and the outside, is a namespace whose stack is silent (no address)
and whose only interface is read and written raw. The bridge learns no MAC, so
it floods each frame to every port: whatever a guard lets out would be heard.
"""

import contextlib
import itertools
import os
import random
import re
import select
import socket
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import craft
import veth
import world

ABI = Path(__file__).resolve().parents[2] / "ebpf/include/cloison/abi.h"
REASONS = dict(re.findall(
    r'X\((\w+), +"([^"]+)"\)',
    ABI.read_text(encoding="utf-8").split("enum clo_drop {")[0]))
HOSTS = {name: craft.Host(name, mac, v4, v6)
         for name, (_, _, _, mac, v4, v6) in world.GUESTS.items()}
OUTSIDE = craft.Host("outside", "0a:00:00:00:08:01", "10.0.9.9", "fd00:9::9")
DEADLINE = 20.0
IGNORE_OUTGOING, SOL_PACKET, ETH_P_ALL, RCVBUFFORCE = 23, 263, 3, 33


class Port:
    """A raw interface of a namespace, and its other end on the node.

    guarded: a policy without endpoints makes its other end drop all.
    """

    def __init__(self, namespace, device="eth0", tap=None, guarded=True):
        self.tap = tap or f"t-{namespace}"
        self.guarded = guarded
        with veth.entered(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 8 << 20)
        self.socket.setblocking(False)
        self.socket.bind((device, ETH_P_ALL))

    def send(self, frame):
        self.socket.send(frame)

    def drain(self):
        frames = []
        while True:
            try:
                frames.append(self.socket.recv(65536))
            except BlockingIOError:
                return frames


@dataclass
class Shot:
    """One frame, and what a policy must make of it.

    to: names of those who hear it; or drop: names of reasons, any of which
    will do, one as a rule; or answer: the frame that the sender gets instead
    of its being heard.
    """
    name: str
    sender: str
    frame: bytes
    to: tuple = ()
    drop: tuple = ()
    answer: bytes = b""

    def __post_init__(self):
        if isinstance(self.to, str):
            self.to = (self.to,)
        if isinstance(self.drop, str):
            self.drop = (self.drop,)
        unknown = [r for r in self.drop if r not in REASONS]
        if unknown or bool(self.to) + bool(self.drop) + bool(self.answer) != 1:
            raise ValueError(f"{self.name}: {self.to} {self.drop}")


def passes(name, sender, frame, *to):
    return Shot(name, sender, frame, to=to)


def drops(name, sender, frame, *reasons):
    return Shot(name, sender, frame, drop=reasons)


def answered(name, sender, frame, answer):
    return Shot(name, sender, frame, answer=answer)


def interface(text):
    """Its name; the daemon names by index what it does not know as a tap."""
    if text.startswith("ifindex "):
        with contextlib.suppress(OSError):
            return socket.if_indextoname(int(text.split()[1]))
    return text


def silence(guest):
    """Its stack says nothing of its own accord."""
    guest.exec("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
               "net.ipv6.conf.eth0.disable_ipv6=1")


def port_of_bridge(tap):
    """Flood all, learn nothing, forward even what 802.1D keeps."""
    veth.run("ip", "link", "set", tap, "type", "bridge_slave", "learning",
             "off", "group_fwd_mask", "0xfffd")


def forwards(tap):
    """Once the kernel has told the bridge of its carrier, which takes a while
    on a busy machine; until then what comes by it is lost."""
    state = Path(f"/sys/class/net/{tap}/brport/state")
    veth.wait_for(f"{tap} forwards",
                  lambda: state.read_text(encoding="ascii").strip() == "3")


def bypass_netfilter():
    """Where bridges call netfilter, it would drop and trim frames itself."""
    for name in ("iptables", "ip6tables", "arptables"):
        knob = Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}")
        if knob.exists():
            knob.write_text("0", encoding="ascii")


def build(outside=OUTSIDE):
    """The small world, silent, and the outside. {name: veth.Guest}"""
    # frames on one CPU stay in order
    os.sched_setaffinity(0, {random.choice(list(os.sched_getaffinity(0)))})
    veth.run("ip", "link", "add", world.BRIDGE, "type", "bridge",
             "mcast_snooping", "0")
    bypass_netfilter()
    veth.run("sysctl", "-qw",
             f"net.ipv6.conf.{world.BRIDGE}.disable_ipv6=1")
    veth.run("ip", "link", "set", world.BRIDGE, "up")
    guests = {}
    for host in [*HOSTS.values(), outside]:
        guest = veth.Guest(host.name, host.mac, [], world.BRIDGE)
        silence(guest)
        port_of_bridge(guest.tap)
        guests[host.name] = guest
    for guest in guests.values():
        forwards(guest.tap)
    return guests


def ports():
    """{name: Port} of what build() made."""
    found = {name: Port(name) for name in HOSTS}
    found["outside"] = Port("outside", guarded=False)
    return found


class Stage:
    """All ports, {name: Port}, and the daemon once there is one.

    Shots are used once: each setting takes a list of its own.

    sentinels: {sender: (frame builder, receiver)}: a frame that every policy
    of the test lets pass; once it is heard, whatever was sent before it is
    either heard or dropped.
    """

    def __init__(self, stage_ports, sentinels, daemon=None):
        self.ports = stage_ports
        self.sentinels = sentinels
        self.daemon = daemon
        self.heard = {} # tag: names
        self.frames = {name: [] for name in stage_ports} # of one shot
        self.failures = []

    def listen(self, until, deadline=DEADLINE):
        """Read all ports until the condition holds; False if it does not."""
        end = time.monotonic() + deadline
        while True:
            for name, port in self.ports.items():
                for frame in port.drain():
                    self.note(name, frame)
            if until():
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            select.select([p.socket for p in self.ports.values()], [], [],
                          min(left, 0.2))

    def note(self, name, frame):
        self.frames[name].append(frame)
        if craft.tags(frame):
            self.heard.setdefault(craft.tags(frame), set()).add(name)

    def hears(self, frame):
        return self.heard.get(craft.tags(frame), set())

    def flush(self, sender):
        """All that this sender sent has arrived, or never will."""
        if sender not in self.sentinels: # its drops are waited for
            self.listen(lambda: True)
            return
        make, receiver = self.sentinels[sender]
        for _ in range(2): # on the second, queues on the way are empty too
            frame = make()
            self.ports[sender].send(frame)
            if not self.listen(lambda: receiver in self.hears(frame)):
                raise AssertionError(f"no sentinel of {sender} at {receiver}")

    def fail(self, what):
        print(f"FAIL: {what}", flush=True)
        self.failures.append(what)

    def verdict(self, what):
        """Report a whole setting."""
        veth.check(not self.failures, what if not self.failures else
                   f"{what}: {len(self.failures)} failures")

    # -- the three settings

    def unfiltered(self, shots):
        """Without guards each must be heard by somebody else."""
        for shot in shots:
            self.ports[shot.sender].send(shot.frame)

        def missing():
            return [s for s in shots
                    if not self.hears(s.frame) - {s.sender}]

        self.listen(lambda: not missing())
        for shot in missing():
            self.fail(f"unfiltered: {shot.name}: nobody hears it")
        self.verdict(f"without guards all {len(shots)} frames are heard")

    def closed(self, shots, reason="NO_ENDPOINT"):
        """Every tap drops all: nobody hears anything, and it is counted."""
        before = self.counters()
        for shot in shots:
            self.ports[shot.sender].send(shot.frame)
        # behind all that the bridge has brought to the taps so far
        last = [craft.udp(OUTSIDE, OUTSIDE, 1, 1, mac=craft.BROADCAST)
                for _ in range(2)]
        unguarded = [p for p in self.ports.values() if not p.guarded]
        for port, frame in itertools.product(unguarded, last):
            port.send(frame)
        sent = Counter(s.sender for s in shots)
        reached = len(last) * len(unguarded) + sum(
            not self.ports[s.sender].guarded and s.frame[0] & 1 for s in shots)
        for name, port in self.ports.items():
            for way, n in (("from_guest", sent[name]), ("to_guest", reached)):
                key = (port.tap, way, REASONS[reason])
                if port.guarded:
                    veth.wait_for(f"{n} drops of {key} are counted",
                                  lambda k=key, n=n:
                                  self.counters()[k] - before[k] >= n)
        self.listen(lambda: True)
        for shot in shots:
            if self.hears(shot.frame) - {shot.sender}:
                self.fail(f"closed: {shot.name}: {self.hears(shot.frame)}")
        self.verdict(f"guards without an endpoint drop all {len(shots)}")

    def judged(self, shots):
        """What the policy lets pass reaches the right one and nobody else."""
        before = self.counters()
        for shot in shots:
            before = self.judge(shot, before)
        self.verdict(f"the policy decides {len(shots)} frames rightly")

    def judge(self, shot, before):
        """Returns the counters after it, as `before` are those until it:
        behind the sentinels nothing of it is left to be counted."""
        for frames in self.frames.values():
            frames.clear()
        self.ports[shot.sender].send(shot.frame)
        if shot.drop and shot.sender not in self.sentinels:
            veth.wait_for(f"{shot.name}: a drop", lambda:
                          self.counters() - before, DEADLINE)
        if shot.to:
            self.listen(lambda: set(shot.to) <= self.hears(shot.frame), 2)
        self.flush(shot.sender)
        heard = self.hears(shot.frame)
        if shot.answer: # may keep the bytes behind the request
            heard = heard - {shot.sender}
        after = self.counters()
        reasons = self.reasons(after - before, shot.sender)
        got = [frame[:len(shot.answer)]
               for frame in self.frames[shot.sender]]
        if heard != set(shot.to):
            self.fail(f"{shot.name}: heard by {sorted(heard)}, not by "
                      f"{sorted(shot.to)}; drops {sorted(reasons)}")
        elif shot.drop and not reasons & set(shot.drop):
            self.fail(f"{shot.name}: dropped as {sorted(reasons)}, not as "
                      f"{sorted(shot.drop)}")
        elif shot.answer and shot.answer not in got:
            self.fail(f"{shot.name}: no answer; drops {sorted(reasons)}, "
                      f"got {[f.hex() for f in got]}")
        return after

    def reasons(self, counted, sender):
        """Names of the reasons: at the sender's tap, and on the way to any.
        The agent's own frames, when it tries the packet kinds, are among
        them."""
        names = {text: name for name, text in REASONS.items()}
        tap = self.ports[sender].tap
        return {names[r] for i, d, r in counted
                if d == "to_guest" or (i == tap and d == "from_guest")}

    def counters(self):
        """{(interface, direction, reason): count}"""
        found = Counter()
        if self.daemon:
            for drop in self.daemon.json("status")["drops"]:
                found[interface(drop["interface"]), drop["direction"],
                      drop["reason"]] += drop["count"]
        return found


@contextlib.contextmanager
def filtered(stage, build, shots, node):
    """Two of the three settings, without guards and with guards that drop
    all, for which `node` is a document that declares no endpoint. Then the
    daemon, for the third; it stops in order. shots: makes a list of them."""
    stage.unfiltered(shots())
    with tempfile.TemporaryDirectory() as directory:
        stage.daemon = daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply({"node": node})
        stage.closed(shots())
        yield daemon
        veth.check(daemon.stop() == 0, "the daemon stops in order")
