#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What joins a governed bridge while the daemon is dead is cut off.

Two interfaces that nobody declared join the bridge after a kill -9. Without the
fence they reach each other, the host and a listener on the segment; with it
nothing comes from them or gets to them, and the guarded taps' flows go on.

usage: fence.py BUILD
"""

import subprocess
import sys
import tempfile

import veth
import violations
import world
from veth import check, wait_for

PERIOD = 2
LEGAL = {("a-web", "a-db"), ("g-web", "g-db")}
HOST = "10.0.0.1"
PORT = 8080
OTHER = "ungoverned"


def table():
    return subprocess.run(["nft", "-s", "list", "table", "bridge", "cloison"],
                          check=False, capture_output=True, text=True).stdout


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


def hears(guest, act):
    """Frames of the segment that arrive at an interface while `act` runs."""
    seen = guest.popen(
        "import socket, sys\n"
        "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))\n"
        "s.bind(('eth0', 0))\n"
        "print('ready', flush=True)\n"
        "s.settimeout(1)\n"
        "n = 0\n"
        "own = open('/sys/class/net/eth0/address').read().strip()\n"
        "while not sys.stdin.closed:\n"
        "    try:\n"
        "        frame = s.recv(2048)\n"
        "    except TimeoutError:\n"
        "        import select\n"
        "        if select.select([sys.stdin], [], [], 0)[0]: break\n"
        "        continue\n"
        "    if frame[6:12].hex(':') != own: n += 1\n"
        "print(n, flush=True)\n", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    veth.check_line(seen, "ready")
    act()
    seen.stdin.close()
    count = int(seen.stdout.readline())
    seen.wait()
    return count


def broadcast(guest):
    """An ARP request, which a bridge floods."""
    guest.forget()
    guest.ping("10.0.1.77")


def dead(daemon, guests):
    daemon.kill()
    one, two = strangers()
    fence = table()
    check("chain from_port" in fence, "the fence outlives the daemon")
    veth.run("nft", "delete", "table", "bridge", "cloison")
    open_ways = reaches(one, two)
    check(len(open_ways) >= 6, f"without the fence all is open: {open_ways}")
    check(hears(one, lambda: broadcast(guests["a-web"])) > 0,
          "and a broadcast of the segment gets there")
    veth.run("nft", "-f", "-", input=fence)
    one.forget()
    two.forget()
    check(reaches(one, two) == set(), "with it nothing gets from or to them")
    check(hears(one, lambda: broadcast(guests["a-web"])) == 0,
          "a broadcast of the segment does not get there")
    check(world.flows(guests, PORT) == LEGAL,
          "the legal flows of guarded taps go on, IPv4")
    check(world.flows(guests, PORT, 6) == LEGAL, "and IPv6")
    return one, two


def alive(daemon, one, two):
    """Then they are known, and their guards drop all."""
    daemon.start()
    wait_for("the strangers have guards", lambda: {
        u["interface"] for u in daemon.json("endpoints")["undeclared"]
        if u["guarded"]} >= {one.tap, two.tap})
    check(reaches(one, two) == set(), "and still nothing gets through")
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
    stranger = veth.ifindex(OTHER)
    for what, command, words in (
            ("the table deleted", "delete table bridge cloison", ["gone"]),
            ("a port added", "add element bridge cloison ports "
             f"{{ {stranger} }}", [OTHER]),
            ("a rule put in", "insert rule bridge cloison from_port accept",
             ["other rules"]),
            ("a port taken out", "delete element bridge cloison ports "
             f"{{ {veth.ifindex(guests['a-web'].tap)} }}",
             ["cuts", guests["a-web"].tap])):
        violations.plant(
            daemon, what,
            lambda words=command: veth.run("nft", words), # pylint: disable=cell-var-from-loop
            "net.fail-closed", words)
    check(world.flows(guests, PORT) == LEGAL, "the legal flows again")


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
        alive(daemon, one, two)
        planted(daemon, guests)
        daemon.stop()
        veth.run(f"{build}/agent/cloisond", "--remove", "--state-dir",
                 daemon.state, "--pin-dir", daemon.pins)
        check(table() == "", "--remove takes the fence away")
        veth.run(f"{build}/agent/cloisond", "--fence", "--state-dir",
                 daemon.state, "--pin-dir", daemon.pins)
        check("chain from_port" in table(), "--fence puts it up again")
        one, two = guests["a-web"], guests["a-db"]
        check(not world.attack(one, two, PORT),
              "before the daemon runs nothing passes, declared or not")
        daemon.start()
        wait_for("the daemon lets its taps through",
                 lambda: world.attack(one, two, PORT) == two.name)
        daemon.stop()


if __name__ == "__main__":
    veth.inside()
    main(sys.argv[1])
