#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What one guest may take: a greedy guest is held, its neighbours are not."""

import sys
import tempfile
import time

import craft
import frames
import veth
import world
from frames import HOSTS, REASONS, drops, passes
from veth import check

WEB, DB, G_WEB, G_DB = (
    HOSTS[n] for n in ("a-web", "a-db", "g-web", "g-db"))
UDP_PORT, MARKED, GROUP = 5000, 4000, "239.1.2.3"
SECONDS = 2.5
BURST = 1.0 # seconds of its rate that a limit may let pass at once
EXHAUST = 4.0


def policy(guest=None, limits=None):
    """The limits are those of the guest's interface."""
    rules = [{"name": "web-to-db", "from": {"group": "web"},
              "to": {"group": "db"}, "ports": ["udp/1-65535", "tcp/1-65535"]}]
    documents = world.policy(acme=world.tenant("acme", rules),
                             globex=world.tenant("globex", rules))
    for tenant in ("acme", "globex"):
        environment = documents[tenant]["environments"]["production"]
        environment["segments"][0]["multicast"] = [GROUP]
    # not the default, so that only the guest itself is held
    documents["node"]["limits"] = {"multicastPerSecond": 1000000}
    if guest:
        documents[f"w-{guest}"]["interfaces"][0]["limits"] = limits
    return documents


def udp(source, target, sport, size=0):
    return craft.udp(source, target, sport, UDP_PORT,
                     data=bytes(max(0, size - 50))) # headers and tag


def sentinels():
    return {"a-web": (lambda: udp(WEB, DB, MARKED), "a-db"),
            "g-web": (lambda: udp(G_WEB, G_DB, MARKED), "g-db"),
            "g-db": (lambda: craft.udp(G_DB, G_WEB, UDP_PORT, MARKED),
                     "g-web")}


def connections(stage, limit=8):
    """The flow of the sentinel is one of them."""
    stage.daemon.apply(policy("g-web", {"connections": limit}))
    stage.flush("g-web")
    shots = [passes(f"flow {i} of {limit}", "g-web", udp(G_WEB, G_DB, i),
                    "g-db") for i in range(2, limit + 1)]
    shots += [drops(f"flow {i} of {limit}", "g-web", udp(G_WEB, G_DB, i),
                    "QUOTA") for i in (limit + 1, limit + 2)]
    shots += [passes("a live flow goes on", "g-web", udp(G_WEB, G_DB, 2),
                     "g-db"),
              passes("and back", "g-db",
                     craft.udp(G_DB, G_WEB, UDP_PORT, 2), "g-web")]
    shots += [passes(f"flow {i} of the neighbour", "a-web",
                     udp(WEB, DB, i), "a-db") for i in range(2, limit + 8)]
    stage.judged(shots)


def flood(stage, plan, pace):
    """Each sender at its pace, together. {sender: (frames sent, heard)}

    plan: {sender: (make(i), receiver)}; pace: frames each second.
    """
    sent = {sender: [] for sender in plan}
    begin = time.monotonic()
    while (now := time.monotonic() - begin) < SECONDS:
        for sender, (make, _) in plan.items():
            while len(sent[sender]) < now * pace:
                frame = make(len(sent[sender]))
                stage.ports[sender].send(frame)
                sent[sender].append(frame)
        stage.listen(lambda: True)
    stage.flush("a-web")
    return {sender: (len(sent[sender]),
                     sum(receiver in stage.hears(f) for f in sent[sender]))
            for sender, (_, receiver) in plan.items()}


def held(stage, what, limited, plan, rate, pace, reason, way="from_guest",
         greedy="g-web"):
    """Of the greedy one's frames pass `rate` a second, of a-web's all."""
    stage.daemon.apply(limited)
    key = (f"t-{'g-db' if way == 'to_guest' else greedy}", way,
           REASONS[reason])
    before = stage.counters()[key]
    heard = flood(stage, plan, pace)
    print(f"{what}: {heard}", flush=True)
    low, high = 0.7 * rate * SECONDS, 1.15 * rate * (SECONDS + BURST)
    check(low < heard[greedy][1] < high,
          f"{what}: {heard[greedy][1]} of {heard[greedy][0]} frames pass, "
          f"between {low:.0f} and {high:.0f}")
    dropped = heard[greedy][0] - heard[greedy][1]
    counted = stage.counters()[key] - before
    check(counted >= dropped > heard[greedy][1],
          f"{what}: {dropped} dropped, {counted} counted with the reason")
    check(heard["a-web"][0] == heard["a-web"][1],
          f"{what}: all {heard['a-web'][0]} frames of the neighbour pass")


def rates(stage):
    rate, pace = 200, 1000

    def flow(size=0):
        return {"g-web": (lambda i: udp(G_WEB, G_DB, MARKED, size), "g-db"),
                "a-web": (lambda i: udp(WEB, DB, MARKED, size), "a-db")}
    opened = {"g-web": (lambda i: udp(G_WEB, G_DB, 10000 + i), "g-db"),
              "a-web": (lambda i: udp(WEB, DB, 10000 + i), "a-db")}
    target = craft.Host("", craft.group_mac(GROUP), GROUP, "")
    shared = {"g-web": (lambda i: udp(G_WEB, target, i + 1), "g-db"),
              "a-web": (lambda i: udp(WEB, target, i + 1), "a-db")}
    def both(way, unit, limit):
        guest = "g-web" if way == "fromGuest" else "g-db"
        return policy(guest, {way: {unit: limit}})
    for way, hook in (("fromGuest", "from_guest"), ("toGuest", "to_guest")):
        held(stage, f"packets {hook}", both(way, "packetsPerSecond", rate),
             flow(), rate, pace, "RATE", hook)
        held(stage, f"bytes {hook}", both(way, "bytesPerSecond", rate * 1000),
             flow(1000), rate, pace, "RATE", hook)
    held(stage, "new flows", policy("g-web", {"newFlowsPerSecond": rate}),
         opened, rate, pace, "FLOW_RATE")
    held(stage, "multicast", policy("g-web", {"multicastPerSecond": rate}),
         shared, rate, pace, "MULTICAST_RATE")


def exhaust(stage):
    """A guest opens flows as fast as it can; an idle flow of others lives."""
    stage.daemon.apply(policy())
    idle = (MARKED + 1, MARKED + 2)
    stage.judged([s for i in idle for s in (
        passes("(an idle flow opens)", "a-web", udp(WEB, DB, i), "a-db"),
        passes("(and is answered)", "a-db",
               craft.udp(DB, WEB, UDP_PORT, i), "a-web"))])
    frame, count = bytearray(udp(G_WEB, G_DB, 1)), 0
    end = time.monotonic() + EXHAUST
    while time.monotonic() < end:
        for _ in range(512):
            count += 1
            frame[34:36] = (count & 0xffff).to_bytes(2, "big")
            frame[36:38] = (1 + (count >> 16)).to_bytes(2, "big")
            stage.ports["g-web"].send(frame)
        stage.listen(lambda: True)
    print(f"{count} flows asked for in {EXHAUST} s", flush=True)
    check(count > 65536, "the greedy guest goes through all ports")
    stage.judged([
        *[passes("an idle flow of another tenant lives", "a-db",
                 craft.udp(DB, WEB, UDP_PORT, i), "a-web") for i in idle],
        drops("(only as a flow: by itself it may not)", "a-db",
              craft.udp(DB, WEB, UDP_PORT, MARKED + 9), "POLICY"),
        passes("another tenant opens flows", "a-web", udp(WEB, DB, 77),
               "a-db")])


def main(build):
    veth.inside()
    frames.build()
    stage = frames.Stage(frames.ports(), sentinels())
    pair = [passes("a flow", "g-web", udp(G_WEB, G_DB, i), "g-db")
            for i in range(1, 100)]
    stage.unfiltered(pair)
    with tempfile.TemporaryDirectory() as directory:
        stage.daemon = daemon = veth.Daemon(build, directory)
        daemon.start()
        connections(stage)
        rates(stage)
        exhaust(stage)
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
