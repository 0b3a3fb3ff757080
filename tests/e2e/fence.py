#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What joins a governed bridge while the daemon is dead is cut off.

Two interfaces that nobody declared join the bridge after a kill -9. Without the
fence they reach each other, the host and a listener on the segment; with it
nothing comes from them or gets to them, and the guarded taps' flows go on.

usage: fence.py BUILD
"""

import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

import veth
import violations
import world
from veth import check, wait_for

PERIOD = 3600 # what is planted is found because somebody changed something
LEGAL = {("a-web", "a-db"), ("g-web", "g-db")}
HOST = "10.0.0.1"
PORT = 8080
OTHER = "ungoverned"
ETHER_TYPE = 0x88b5 # for experiments: no guest's own
EVERYONE = "ff:ff:ff:ff:ff:ff"
LINK_LOCAL = "01:80:c2:00:00:03" # of 802.1X: a bridge takes it, never passes it
SO_MARK = 36
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 2, 0x1000


def table():
    return subprocess.run(["nft", "-s", "list", "table", "bridge", "cloison"],
                          check=False, capture_output=True, text=True).stdout


def dropped(chain):
    """Packets that a chain of the fence has dropped."""
    listing = json.loads(veth.output("nft", "-j", "list", "chain", "bridge",
                                     "cloison", chain))
    return sum(statement["counter"]["packets"]
               for entry in listing["nftables"] if "rule" in entry
               for statement in entry["rule"]["expr"]
               if "counter" in statement)


def strangers():
    """Two that nobody declared, on the governed bridge."""
    made = [veth.Guest(f"s{i}", f"0a:00:00:00:09:0{i}",
                       [f"10.0.1.20{i}/16", f"fd00:1::20{i}/16"],
                       world.BRIDGE) for i in (1, 2)]
    for guest in made:
        guest.serve(PORT)
    return made


def reaches(one, two):
    """What gets from or to them, of all that should not: in words."""
    found = set()
    for source, target in (one, two), (two, one):
        if source.connect(world.address(target, 4), PORT):
            found.add(f"{source.name} to {target.name}")
        if source.connect(world.address(target, 6), PORT):
            found.add(f"{source.name} to {target.name}, IPv6")
        if source.ping(HOST):
            found.add(f"{source.name} to the host")
        if subprocess.run(["ping", "-c", "1", "-W", "1",
                           world.address(source, 4)], check=False,
                          capture_output=True).returncode == 0:
            found.add(f"the host to {source.name}")
    return found


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def frame(source, target=EVERYONE):
    return (octets(target) + octets(source) +
            ETHER_TYPE.to_bytes(2, "big") + bytes(46))


def send(guest, target=EVERYONE, source=None, mark=0):
    """One frame as the guest's own kernel would send it, mark and all."""
    with packet_socket(guest) as sender:
        sender.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
        sender.send(frame(source or guest.mac, target))


def packet_socket(guest, ether_type=0):
    """At a guest's interface, or at the host's bridge."""
    with veth.entered(guest.name) if guest else contextlib.nullcontext():
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                             socket.htons(ether_type))
    made.bind(("eth0" if guest else world.BRIDGE, ether_type))
    return made


def heard(ear, own, wait, until):
    """Sources of frames that are not `own`, until one of them is `until`."""
    sources = set()
    end = time.monotonic() + wait
    while until not in sources and select.select(
            [ear], [], [], max(0, end - time.monotonic()))[0]:
        data, address = ear.recvfrom(2048)
        if address[2] != socket.PACKET_OUTGOING and data[6:12] != octets(own):
            sources.add(data[6:12].hex(":"))
    return sources


def told(one, two, act, wait=1):
    """Who hears a frame of `one` of the kind that only `act` sends."""
    with packet_socket(two, ETHER_TYPE) as port, \
         packet_socket(None, ETHER_TYPE) as host:
        act()
        return {name for name, ear in (("port", port), ("host", host))
                if one in heard(ear, two.mac, wait, one)}


def hears(guest, act, source, wait=1):
    """Whether a frame of `source` arrives at an interface after `act`."""
    with packet_socket(guest, 3) as ear:
        act()
        return source in heard(ear, guest.mac, wait, source)


def broadcast(guest):
    """An ARP request, which a bridge floods."""
    guest.forget()
    guest.ping("10.0.1.77")


@contextlib.contextmanager
def process_tap():
    """A tap as QEMU has one, on the bridge."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"t-process",
                                               IFF_TAP | IFF_NO_PI))
        veth.run("ip", "link", "set", "t-process", "master", world.BRIDGE,
                 "up")
        yield fd
    finally:
        os.close(fd)


def frames_pass(one, two, guests, tap):
    """Single frames, also such as a daemon or a bridge would send: in words."""
    found = set()
    mac = "0a:00:00:00:09:07"
    for what, source, act in (
            ("a frame", one.mac, lambda: send(one)),
            ("a marked frame", one.mac, lambda: send(one, mark=0x40000001)),
            ("a frame of a process", mac, lambda: os.write(tap, frame(mac)))):
        found |= {f"{what} to the {whom}" for whom in told(source, two, act)}
    web = guests["a-web"]
    if hears(one, lambda: broadcast(web), web.mac):
        found.add("a guarded tap's broadcast")
    stolen = "0a:00:00:00:09:0a"
    send(one, LINK_LOCAL, stolen)
    if stolen in veth.output("bridge", "fdb", "show", "br", world.BRIDGE):
        found.add("a MAC is learnt from a link-local frame")
    return found


def queries(one, expected):
    """What the bridge itself says: as the querier of multicast groups."""
    def ask():
        veth.run("ip", "link", "set", world.BRIDGE, "type", "bridge",
                 "mcast_snooping", "1", "mcast_querier", "1")
        if not expected:
            wait_for("a query of the bridge is dropped",
                     lambda: dropped("from_node_to_port"))
    own = veth.output("cat", f"/sys/class/net/{world.BRIDGE}/address").strip()
    result = hears(one, ask, own, veth.DEADLINE if expected else 1)
    veth.run("ip", "link", "set", world.BRIDGE, "type", "bridge",
             "mcast_querier", "0", "mcast_snooping", "0")
    return result


def resolves(guests):
    """By ARP and ND: nobody was told any MAC."""
    return all(guests["a-web"].ping(world.address(guests["a-db"], family))
               for family in (4, 6))


def dead(daemon, guests):
    daemon.kill()
    one, two = strangers()
    fence = table()
    check("chain from_port" in fence, "the fence outlives the daemon")
    with process_tap() as tap:
        veth.run("nft", "delete", "table", "bridge", "cloison")
        open_ways = reaches(one, two)
        check(len(open_ways) == 8, "without the fence all is open: "
              f"{sorted(open_ways)}")
        passed = frames_pass(one, two, guests, tap)
        check(len(passed) == 8, f"and for single frames: {sorted(passed)}")
        check(queries(one, True), "and the bridge's queries get there")

        veth.run("nft", "-f", "-", input=fence)
        veth.run("bridge", "fdb", "del", "0a:00:00:00:09:0a", "dev", one.tap,
                 "master")
        check(reaches(one, two) == set(),
              "with it nothing gets from or to them")
        passed = frames_pass(one, two, guests, tap)
        check(passed == set(), f"no single frame does {passed or ''}")
        check(not queries(one, False), "nor a query of the bridge")
    check(dropped("from_port") > 0 and dropped("to_port") > 0,
          "what is dropped is counted")
    for family in 4, 6:
        check(world.flows(guests, PORT, family) == LEGAL,
              f"the legal flows of guarded taps go on, IPv{family}")
    check(resolves(guests), "with ARP and neighbour discovery")
    return one, two


def replaced(guests):
    """g-db has a new tap while the daemon is dead."""
    veth.run("ip", "link", "del", guests["g-db"].tap)
    veth.run("ip", "netns", "del", "g-db")
    _, _, _, mac, v4, v6 = world.GUESTS["g-db"]
    guests["g-db"] = veth.Guest("g-db", mac, [f"{v4}/16", f"{v6}/16"],
                                world.BRIDGE)
    guests["g-db"].serve(PORT)
    check(not world.attack(guests["g-web"], guests["g-db"], PORT),
          "a declared tap that is new is cut off, too")


def alive(daemon, guests, one, two):
    """Then they are known, and their guards drop all."""
    replaced(guests)
    daemon.start()
    wait_for("the strangers have guards", lambda: {
        u["interface"] for u in daemon.json("endpoints")["undeclared"]
        if u["guarded"]} >= {one.tap, two.tap})
    check(reaches(one, two) == set(), "and still nothing gets through")
    check(world.attack(guests["g-web"], guests["g-db"], PORT) == "g-db",
          "the new tap works once the daemon has seen it")
    for guest in one, two:
        veth.run("ip", "link", "del", guest.tap)


def ungoverned():
    """Another bridge of this host is nobody's business."""
    veth.run("ip", "link", "add", OTHER, "type", "bridge")
    veth.run("ip", "link", "set", OTHER, "up")
    pair = [veth.Guest(f"u{i}", f"0a:00:00:00:08:0{i}", [f"10.9.0.{i}/24"],
                       OTHER) for i in (1, 2)]
    pair[0].serve(PORT)
    wait_for("an ungoverned bridge works",
             lambda: pair[1].connect("10.9.0.1", PORT) == "u1")
    check(True, "an ungoverned bridge works")


def planted(daemon, guests):
    web = guests["a-web"].tap
    for what, command, words in (
            ("the table deleted", "delete table bridge cloison", ["gone"]),
            ("all of nftables flushed", "flush ruleset", ["gone"]),
            ("a port added", "add element bridge cloison ports "
             f"{{ {OTHER} }}", [OTHER]),
            ("a port added with a comment", "add element bridge cloison "
             f"ports {{ {OTHER} comment \"x\" }}", [OTHER]),
            ("a rule put in", "insert rule bridge cloison from_port accept",
             ["other rules"]),
            ("a chain emptied", "flush chain bridge cloison to_port",
             ["other rules"]),
            ("a port taken out",
             f"delete element bridge cloison ports {{ {web} }}",
             ["cuts", web])):
        violations.plant(
            daemon, what,
            lambda words=command: veth.run("nft", words),
            "net.fail-closed", words)
    check(world.flows(guests, PORT) == LEGAL, "the legal flows again")


def numbered(daemon, guests):
    """The number of a guarded tap is the name of somebody else's interface."""
    web = veth.ifindex(guests["a-web"].tap)
    since = len(violations.statements(daemon))
    veth.run("ip", "link", "add", str(web), "type", "bridge")
    veth.run("nft", "delete", "table", "bridge", "cloison")
    wait_for("the tap is cut off and named", lambda: violations.caught(
        daemon, "net.fail-closed", since, ["cuts", guests["a-web"].tap]))
    check(f'"{web}"' not in table(), "a number as a name opens nothing")
    veth.run("ip", "link", "del", str(web))
    veth.run("nft", "delete", "table", "bridge", "cloison")
    wait_for("the tap is let through again", lambda: guests["a-web"].tap in
             table())


def oneshot(build, daemon, option):
    veth.run(f"{build}/agent/cloisond", option, "--state-dir", daemon.state,
             "--pin-dir", daemon.pins)


def before(build, daemon, guests):
    """As after a boot: the fence is there before the daemon is."""
    oneshot(build, daemon, "--remove")
    check(table() == "", "--remove takes the fence away")
    oneshot(build, daemon, "--fence")
    check("chain from_port" in table(), "--fence puts it up again")
    one, two = guests["a-web"], guests["a-db"]
    check(not world.attack(one, two, PORT),
          "before the daemon runs nothing passes, declared or not")
    daemon.start()
    wait_for("the daemon lets its taps through",
             lambda: world.attack(one, two, PORT) == two.name)
    fence = table()
    oneshot(build, daemon, "--fence")
    check(table() == fence, "--fence beside a daemon changes nothing")
    veth.run(f"{build}/agent/cloisond", "--fence", "--state-dir",
             f"{daemon.directory}/empty")
    check(table() == fence, "nor does it without a policy")


def main(build):
    with tempfile.TemporaryDirectory(prefix="cloison-e2e-") as directory:
        guests = world.build()
        veth.run("ip", "address", "add", f"{HOST}/16", "dev", world.BRIDGE)
        daemon = veth.Daemon(build, directory, PERIOD)
        daemon.start()
        daemon.apply(world.policy())
        check(world.flows(guests, PORT) == LEGAL, "the legal flows")
        ungoverned()
        one, two = dead(daemon, guests)
        alive(daemon, guests, one, two)
        planted(daemon, guests)
        numbered(daemon, guests)
        daemon.stop()
        before(build, daemon, guests)
        daemon.stop()


if __name__ == "__main__":
    veth.inside()
    main(sys.argv[1])
