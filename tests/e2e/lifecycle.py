#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Taps, bridges and mounts that change below the guards open no door.

A tap is renamed, moved to another namespace and back, replaced by a stranger
under its number and under its name; the bridge goes; the bpffs is hidden and
comes back. Each time an attack runs, and the legal flow that ought to work.

usage: lifecycle.py BUILD [OPTION of cloisond...]
"""

import sys
import tempfile

import veth
import world
from veth import check, wait_for

PERIOD = 2
ELSEWHERE = "elsewhere"
LEGAL = {("a-web", "a-db"), ("g-web", "g-db")}
SUBNET = "/16"


def endpoints(daemon):
    return daemon.json("endpoints")


def guarded(daemon, tap):
    """Whether the node knows the tap, and both its hooks are ours."""
    found = endpoints(daemon)
    return any(e.get("interface") == tap and e["guarded"]
               for e in found["endpoints"] + found["undeclared"])


def bound(daemon, tap):
    return any(e.get("interface") == tap and e["guarded"]
               for e in endpoints(daemon)["endpoints"])


def legal(guests, what):
    seen = world.flows(guests, world.ALLOWED_PORT)
    check(seen == LEGAL, f"{what}: the legal flows and no other")


def back(daemon, tap):
    veth.run("ip", "link", "set", tap, "master", world.BRIDGE, "up")
    wait_for(f"{tap} is bound again", lambda: bound(daemon, tap))


def renamed(daemon, guests):
    """The policy binds by name: under another name it is nobody's."""
    web, tap = guests["a-web"], guests["a-web"].tap
    veth.run("ip", "link", "set", tap, "down")
    veth.run("ip", "link", "set", tap, "name", "t-other")
    veth.run("ip", "link", "set", "t-other", "up")
    wait_for("the renamed tap is known", lambda: guarded(daemon, "t-other"))
    wait_for("and no longer bound", lambda: not bound(daemon, tap))
    check(not world.attack(web, guests["a-db"], world.ALLOWED_PORT),
          "a renamed tap sends nothing")
    stranger = veth.Guest("thief", "0a:00:00:00:07:07", [web.address + SUBNET],
                          world.BRIDGE)
    stranger.serve(world.ALLOWED_PORT)
    veth.run("ip", "link", "set", stranger.tap, "down")
    veth.run("ip", "link", "set", stranger.tap, "name", tap)
    veth.run("ip", "link", "set", tap, "up")
    wait_for("the name is bound again", lambda: bound(daemon, tap))
    check(not world.attack(stranger, guests["a-db"], world.ALLOWED_PORT),
          "who takes a tap's name does not get past its MAC")
    veth.run("ip", "link", "del", tap)
    wait_for("the thief is gone", lambda: not bound(daemon, tap))
    veth.run("ip", "link", "set", "t-other", "down")
    veth.run("ip", "link", "set", "t-other", "name", tap)
    veth.run("ip", "link", "set", tap, "up")
    wait_for("the tap has its name again", lambda: bound(daemon, tap))
    legal(guests, "a tap renamed and back")


def moved(daemon, guests):
    """In another namespace it is out of reach, and unbound at once."""
    db, tap = guests["a-db"], guests["a-db"].tap
    veth.run("ip", "netns", "add", ELSEWHERE)
    veth.run("ip", "link", "set", tap, "netns", ELSEWHERE)
    wait_for("the moved tap is gone", lambda: not bound(daemon, tap))
    for name in ("a-web", "g-web"):
        check(not world.attack(guests[name], db, world.ALLOWED_PORT),
              f"{name} does not reach a tap that moved away")
    # in this namespace nothing stays bound to the number that it had
    check(all(e.get("interface") != tap
              for e in endpoints(daemon)["endpoints"]), "no port is left")
    veth.run("ip", "-n", ELSEWHERE, "link", "set", tap, "netns", "1")
    back(daemon, tap)
    legal(guests, "a tap moved away and back")
    veth.run("ip", "netns", "delete", ELSEWHERE)


def replace(guest, index):
    """The guest's tap goes; a stranger's comes with its number. The stranger
    has the guest's MAC and address."""
    veth.run("ip", "link", "del", guest.tap)
    veth.run("ip", "netns", "add", "heir")
    veth.run("ip", "link", "add", "t-heir", "index", str(index), "type",
             "veth", "peer", "name", "eth0", "netns", "heir")
    for command in (["link", "set", "eth0", "address", guest.mac],
                    ["address", "add", guest.address + SUBNET, "dev", "eth0"],
                    ["link", "set", "eth0", "up"]):
        veth.run("ip", "-n", "heir", *command)
    veth.run("ip", "link", "set", "t-heir", "master", world.BRIDGE, "up")


class Heir(veth.Guest):
    """What replace() made."""

    def __init__(self, guest): # pylint: disable=super-init-not-called
        self.name, self.mac, self.tap = "heir", guest.mac, "t-heir"
        self.addresses, self.servers = guest.addresses, []


def inherited(daemon, guests, dead):
    """Another interface under the number of a tap that is gone."""
    web = guests["a-web"]
    index = veth.ifindex(web.tap)
    if dead:
        daemon.kill()
    replace(web, index)
    heir = Heir(web)
    when = "with the daemon dead" if dead else "with the daemon"
    check(not world.attack(heir, guests["a-db"], world.ALLOWED_PORT),
          f"who inherits a tap's number does not get its rights ({when})")
    if dead:
        daemon.start()
    wait_for("the heir is guarded", lambda: guarded(daemon, "t-heir"))
    check(not bound(daemon, "t-heir"), "and bound to nothing")
    check(not world.attack(heir, guests["a-db"], world.ALLOWED_PORT),
          f"nor later ({when})")
    veth.run("ip", "link", "del", "t-heir")
    veth.run("ip", "netns", "delete", "heir")
    veth.run("ip", "netns", "delete", web.name)
    guests["a-web"] = web = veth.Guest(
        web.name, web.mac, web.addresses, world.BRIDGE)
    for port in (world.ALLOWED_PORT, world.FORBIDDEN_PORT):
        web.serve(port)
    wait_for("a-web has a tap again", lambda: bound(daemon, web.tap))
    legal(guests, f"a tap's number inherited {when}")


def bridgeless(daemon, guests):
    """Inside a segment nothing needs the bridge; all else stays forbidden."""
    veth.run("ip", "link", "del", world.BRIDGE)
    legal(guests, "without the bridge")
    veth.run("ip", "link", "add", world.BRIDGE, "type", "bridge")
    veth.run("ip", "link", "set", world.BRIDGE, "up")
    for guest in guests.values():
        back(daemon, guest.tap)
    wait_for("all taps are settled in the new bridge", lambda: " flood on"
             not in "".join(veth.output("bridge", "-d", "link", "show", "dev",
                                        g.tap) for g in guests.values()))
    legal(guests, "in a new bridge")


def verdicts(daemon):
    return [line.split("verdict=")[1].split()[0]
            for line in daemon.read_log().splitlines() if "verdict=" in line]


def hidden(daemon, guests):
    """Another mount over the pins: attested, then they are pinned on it."""
    before = len(verdicts(daemon))
    veth.run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    found = wait_for("FAILED while the pins are hidden", lambda: [
        line for line in daemon.read_log().splitlines()
        if "agt.self-integrity" in line and "pins" in line])
    check(daemon.pins in found[0], "the finding names the directory")
    wait_for("PASSED when they are pinned again", lambda:
             verdicts(daemon)[before:][-1:] == ["PASSED"])
    legal(guests, "with a bpffs over the pins")
    daemon.kill()
    legal(guests, "and the daemon dead")
    adopted = daemon.read_log().count("datapath adopted")
    daemon.start()
    check(daemon.read_log().count("datapath adopted") == adopted + 1,
          "the next daemon finds them")
    before = len(verdicts(daemon))
    veth.run("umount", "--lazy", "/sys/fs/bpf")
    wait_for("FAILED, then PASSED on the mount below", lambda:
             {"FAILED", "PASSED"} <= set(verdicts(daemon)[before:]))
    legal(guests, "with the bpffs taken away again")


def main(build, *options):
    veth.inside()
    guests = world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory, period=PERIOD, options=options)
        daemon.start()
        daemon.apply(world.policy())
        legal(guests, "at first")
        renamed(daemon, guests)
        moved(daemon, guests)
        inherited(daemon, guests, dead=False)
        inherited(daemon, guests, dead=True)
        bridgeless(daemon, guests)
        hidden(daemon, guests)
        wait_for("all is well in the end",
                 lambda: verdicts(daemon)[-1:] == ["PASSED"])
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
