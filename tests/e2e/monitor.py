#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the datapath does can be seen: events, flow log, flows, captures."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import craft
import veth
import world
from veth import check, wait_for

RATE, FLOOD = 20, 3000 # events each second of a-web; frames
WEB, DB = "acme/production/a-web/0", "acme/production/a-db/0"
ETH_P_ALL = 3


def policy():
    documents = world.policy()
    documents["w-a-web"]["interfaces"][0]["limits"] = {"eventsPerSecond": RATE}
    return documents


def whole_lines(path):
    """JSON objects of a file that may be being written."""
    with contextlib.suppress(FileNotFoundError):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return [json.loads(line) for line in text.split("\n")[:-1]]
    return []


class Monitor:
    """One `cloison monitor --json`, its events in a file."""

    def __init__(self, daemon, *argv):
        self.daemon, self.path = daemon, tempfile.mktemp(dir="/run")
        before = self.state()["clients"]
        with open(self.path, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [f"{daemon.build}/agent/cli/cloison", "--socket",
                 daemon.socket, "monitor", "--json", *argv], stdout=out)
        wait_for("the daemon has the client",
                 lambda: self.state()["clients"] > before)

    def state(self):
        return self.daemon.json("status")["monitor"]

    def events(self):
        return whole_lines(self.path)

    def find(self, what, **members):
        """The first event with these members."""
        return wait_for(what, lambda: next(
            (e for e in self.events()
             if all(e.get(k) == v for k, v in members.items())), None))

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(veth.DEADLINE)


class Sniffer:
    """What really passes at a tap, from outside."""

    def __init__(self, tap):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                    socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((tap, 0))
        self.socket.setblocking(False)

    def volume(self, sport, dport):
        """((packets, bytes) of the client, of the server) of a TCP flow."""
        found = {(sport, dport): [0, 0], (dport, sport): [0, 0]}
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self.socket.recv(65536)
                if frame[12:14] != b"\x08\0" or frame[23] != craft.TCP:
                    continue
                ports = struct.unpack("!HH", frame[34:38])
                if ports in found:
                    found[ports][0] += 1
                    found[ports][1] += len(frame)
        return found[(sport, dport)], found[(dport, sport)]


def seen_flow(daemon, guests, monitor):
    """One allowed connection, from begin to end."""
    sniffer = Sniffer("t-a-web")
    check(guests["a-web"].connect(guests["a-db"].address,
                                  world.ALLOWED_PORT) == "a-db",
          "the allowed flow passes")
    rule = "acme/production/web-to-db"
    new = monitor.find("the flow begins", kind="new", rule=rule,
                       protocol="tcp")
    check((new["endpoint"], new["peer"], new["destinationPort"],
           new["direction"]) == (WEB, DB, world.ALLOWED_PORT, "from_guest"),
          "its begin names both ends and the rule")
    ended = monitor.find("the flow ends", kind="ended",
                         sourcePort=new["sourcePort"])
    check(ended["rule"] == rule and ended["endpoint"] == WEB,
          "its end names them, too")
    client, server = sniffer.volume(new["sourcePort"], world.ALLOWED_PORT)
    counted = [[ended[side]["packets"], ended[side]["bytes"]]
               for side in ("initiator", "responder")]
    check(counted == [client, server] and client[0] > 3,
          f"with what really passed: {counted}")


def live_flow(daemon, guests):
    with veth.entered("a-web"):
        client = socket.create_connection(
            (guests["a-db"].address, world.ALLOWED_PORT), veth.DEADLINE)
    with client:
        port = client.getsockname()[1]
        result = daemon.json("flows", "--endpoint", "acme/production/a-web")
        flow = next(f for f in result["flows"] if f["sourcePort"] == port)
        check((flow["from"], flow["to"], flow["rule"]) ==
              (WEB, DB, "acme/production/web-to-db") and
              flow["state"] in ("established", "half-closed") and
              flow["initiator"]["packets"] > 0,
              "flows shows the connection while it is there")
        check(daemon.json("flows", "--endpoint",
                          "globex/production/g-web")["matched"] == 0,
              "and no other tenant's")


def denied_flow(guests, monitor):
    check(not guests["a-web"].connect(guests["a-db"].address,
                                      world.FORBIDDEN_PORT, 1),
          "the forbidden flow does not pass")
    event = monitor.find("the drop is seen", kind="denied", endpoint=WEB,
                         destinationPort=world.FORBIDDEN_PORT)
    check((event["rule"], event["reason"], event["peer"]) ==
          ("acme/production/default-deny", "POLICY", DB) and
          "audit" not in event, "and names the rule and the reason")


def read_pcap(path):
    with open(path, "rb") as file:
        data = file.read()
    magic, major, minor, _, _, _, link = struct.unpack("<IHHIIII", data[:24])
    check((magic, major, minor, link) == (0xa1b23c4d, 2, 4, 1),
          "the capture is a pcap file of Ethernet frames")
    frames, at = [], 24
    while at < len(data):
        sec, ns, size, length = struct.unpack("<IIII", data[at:at + 16])
        frames.append((sec + ns / 1e9, length, data[at + 16:at + 16 + size]))
        at += 16 + size
    return frames


def captured(daemon, guests, directory):
    path = f"{directory}/drops.pcap"
    target = guests["a-db"].address
    monitor = Monitor(daemon, "--pcap", path, "--reason", "POLICY",
                      "--endpoint", WEB, "--count", "1")
    check(monitor.state()["capture"], "frames are captured for a client")
    guests["a-web"].connect(target, world.FORBIDDEN_PORT, 1)
    check(monitor.process.wait(veth.DEADLINE) == 0, "it ends after one event")
    (when, length, frame), = read_pcap(path)
    check(frame[:12] == craft.hardware(guests["a-db"].mac) +
          craft.hardware(guests["a-web"].mac) and
          frame[30:34] == socket.inet_aton(target) and
          struct.unpack("!H", frame[36:38])[0] == world.FORBIDDEN_PORT and
          len(frame) == length and abs(time.time() - when) < veth.DEADLINE,
          "the capture holds the dropped frame, whole and in time")
    wait_for("nothing is captured any more",
             lambda: not monitor.state()["capture"])
    monitor = Monitor(daemon, "--pcap", path)
    monitor.end(signal.SIGKILL)
    wait_for("nor after a client that was killed",
             lambda: not monitor.state()["capture"])


def drops(daemon, tap):
    return sum(d["count"] for d in daemon.json("status")["drops"]
               if d["interface"] == tap)


def log_of(daemon):
    return whole_lines(f"{daemon.state}/flows/current.jsonl")


def log_sum(daemon, tap):
    """(drops that the flow log shows, events that it says were left out)"""
    mine = [e for e in log_of(daemon) if e.get("ifindex") == veth.ifindex(tap)]
    unsent = [e["unsent"] for e in mine if e["kind"] == "unsent"]
    return (sum(e["kind"] == "denied" for e in mine),
            unsent[-1] if unsent else 0)


def balanced(daemon, tap):
    """log_sum() once it adds up with the drop counter."""
    found = log_sum(daemon, tap)
    return found if sum(found) == drops(daemon, tap) else None


def flood(daemon, guests):
    """Drops above the limit are counted, whether or not they are told."""
    tap = "t-a-web"
    before, hidden = wait_for("the log accounts for all before",
                              lambda: balanced(daemon, tap))
    frame = craft.udp(craft.Host("", guests["a-web"].mac, "10.0.1.11", ""),
                      craft.Host("", guests["a-db"].mac, "10.0.1.12", ""),
                      4000, world.FORBIDDEN_PORT)
    with veth.entered("a-web"):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("eth0", 0))
    total = drops(daemon, tap)
    begin = time.monotonic()
    with raw:
        for _ in range(FLOOD):
            raw.send(frame)
    seconds = time.monotonic() - begin
    check(drops(daemon, tap) >= total + FLOOD, "every frame is counted")
    told, unsent = wait_for("log and counter add up",
                            lambda: balanced(daemon, tap))
    check(0 < told - before <= RATE * (time.monotonic() - begin + 1),
          f"{told - before} of {FLOOD} are told in {seconds:.1f} s, "
          f"{unsent - hidden} left out: the limit is {RATE} a second")
    check(unsent - hidden >= FLOOD - RATE * (seconds + 2), "the rest is left out")


def after_a_kill(daemon, guests):
    daemon.kill()
    with open(f"{daemon.state}/flows/current.jsonl", "a",
              encoding="utf-8") as file:
        file.write('{"torn')
    before = len(log_of(daemon))
    daemon.start()
    check(not guests["g-web"].connect(guests["g-db"].address,
                                      world.FORBIDDEN_PORT, 1),
          "the guards are as before")
    wait_for("the log goes on with the names of the policy", lambda: any(
        e.get("rule") == "globex/production/default-deny" and
        e.get("destinationPort") == world.FORBIDDEN_PORT
        for e in log_of(daemon)[before:]))
    mode = [os.stat(f"{daemon.state}/flows{name}").st_mode & 0o777
            for name in ("", "/current.jsonl")]
    check(mode == [0o750, 0o640], "only its owner and group may read it")


def main(build):
    veth.inside()
    with tempfile.TemporaryDirectory() as directory:
        guests = world.build()
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(policy())
        world.pin([(guests["a-web"], guests["a-db"]),
                   (guests["g-web"], guests["g-db"])], 4)
        monitor = Monitor(daemon)
        other = Monitor(daemon, "--tenant", "globex")
        seen_flow(daemon, guests, monitor)
        live_flow(daemon, guests)
        denied_flow(guests, monitor)
        captured(daemon, guests, directory)
        check(not any(WEB in (e.get("endpoint"), e.get("peer"))
                      for e in other.events()),
              "who watches one tenant sees nothing of another")
        flood(daemon, guests)
        check(not any(e.get("lost") for e in monitor.events()),
              "a reader that keeps up loses nothing")
        monitor.end()
        other.end()
        wait_for("the daemon has let them go",
                 lambda: monitor.state()["clients"] == 0)
        after_a_kill(daemon, guests)
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
