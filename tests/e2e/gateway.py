#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gateway's query API: every route, every role, and who may not."""

import base64
import datetime
import json
import os
import socket
import subprocess
import sys
import tempfile

import gateway_log
import gateway_rig
import veth
import world
from gateway_rig import PROBLEM
from veth import check

PERIOD = 2
PORT = 8443
NONCE = "00112233445566778899aabbccddeeff"
ROLES = {
    "plane": "URI:urn:cloison:role:control-plane",
    "auditor": "URI:urn:cloison:role:auditor",
    "acme": "URI:urn:cloison:tenant:acme",
    "globex": "URI:urn:cloison:tenant:globex",
    "absent": "URI:urn:cloison:tenant:absent",
}
NOBODIES = {
    "no-name": "",
    "other-name": "URI:https://example.org,DNS:urn:cloison:role:auditor",
    "two-roles": "URI:urn:cloison:tenant:acme,URI:urn:cloison:role:auditor",
    "bad-tenant": "URI:urn:cloison:tenant:acme/production",
    "bad-role": "URI:urn:cloison:role:root",
}
ACME = {"acme/production", "acme/test"}
GLOBEX = {"globex/production", "globex/test"}
PATHS = ("/healthz", "/readyz", "/metrics", "/v1/attestations", "/v1/status",
         "/v1/trust", "/v1/log/checkpoint", "/v1/log/tile/0/000.p/1",
         "/v1/log/tile/entries/000.p/1")


def clients(authority, other):
    authority.sign("node", "IP:127.0.0.1", "serverAuth")
    for name, alternatives in (ROLES | NOBODIES).items():
        authority.sign(name, alternatives)
    authority.sign("server", ROLES["plane"], "serverAuth")
    authority.sign("revoked", ROLES["plane"])
    other.sign("foreign", ROLES["plane"])
    made = {name: gateway_rig.Client(authority, PORT, name)
            for name in [*ROLES, *NOBODIES, "server", "revoked"]}
    made["foreign"] = gateway_rig.Client(authority, PORT, "foreign", other)
    made["none"] = gateway_rig.Client(authority, PORT)
    return made


def check_roles(who):
    for path in PATHS:
        for role in ROLES:
            want = 403 if (path == "/metrics" and
                           role not in ("plane", "auditor")) else 200
            answer = who[role].get(path)
            check(answer.status == want, f"{role} {path}: {want}")
            check(want == 200 or answer.type == PROBLEM, "as a problem")
        for nobody in [*NOBODIES, "server", "revoked", "foreign", "none"]:
            try:
                status = who[nobody].get(path).status
            except OSError:
                status = 403 # the handshake went no further
            check(status == (200 if path.endswith("z") else 403),
                  f"{nobody} {path}: {status}")
    check(who["auditor"].challenge(NONCE).status == 403,
          "an auditor causes nothing")
    check(who["none"].challenge(NONCE).status == 403, "nobody does")
    check(who["plane"].ask("HEAD", "/v1/status").body == b"", "HEAD")


def every(client, query=""):
    """All items, page by page."""
    items, cursor = [], None
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        page = client.json(f"/v1/attestations?limit=7{query}{more}")
        items += page["items"]
        cursor = page["next"]
        if not cursor:
            return items


def check_lists(who):
    veth.wait_for("some history", lambda: len(
        {item["time"] for item in every(who["plane"])}) > 3)
    everything = every(who["plane"])
    check({item["scope"] for item in everything} ==
          ACME | GLOBEX | {None}, "the control plane reads all")
    digests = [item["digest"] for item in everything]
    check(len(digests) == len(set(digests)), "no item twice")
    check([item["time"] for item in everything] ==
          sorted((item["time"] for item in everything), reverse=True),
          "the newest first")
    for tenant, own in (("acme", ACME), ("globex", GLOBEX)):
        check({item["scope"] for item in every(who[tenant])} == own,
              f"{tenant} reads its own and nothing else")
    check(not every(who["absent"]), "who has nothing here reads nothing")
    check({i["scope"] for i in every(who["plane"], "&tenant=acme")} == ACME,
          "by tenant")
    check({i["scope"] for i in every(who["auditor"], "&environment=test")} ==
          {"acme/test", "globex/test"}, "by environment")
    check({i["scope"] for i in every(who["acme"], "&environment=test")} ==
          {"acme/test"}, "by environment, of its own")
    check(not every(who["plane"], "&kind=other/v1"), "by kind")
    middle = sorted({item["time"] for item in everything})[1]
    before = every(who["plane"], f"&until={middle}")
    since = every(who["plane"], f"&since={middle}")
    check(before and max(i["time"] for i in before) < middle and
          min(i["time"] for i in since) == middle, "by time")
    check(every(who["plane"], "&control=net.default-deny:PASS&tenant=acme") and
          not every(who["plane"], "&control=net.default-deny:FAIL"),
          "by control")


def check_insertion(who):
    """Pages that are read while the log grows neither repeat nor skip."""
    there = {item["digest"] for item in every(who["plane"])}
    page = who["plane"].json("/v1/attestations?limit=5")
    seen = [item["digest"] for item in page["items"]]
    first = len(every(who["plane"]))
    while page["next"]:
        veth.wait_for("the log grows", lambda: len(every(who["plane"])) > first
                      or len(seen) > 10)
        page = who["plane"].json(
            f"/v1/attestations?limit=5&cursor={page['next']}")
        seen += [item["digest"] for item in page["items"]]
    check(len(seen) == len(set(seen)) and there <= set(seen),
          "a cursor is stable under insertion")


def check_isolation(who):
    """Whatever one tenant tries, it reads nothing of the other."""
    theirs = every(who["globex"])
    for item in theirs[:10]:
        answer = who["acme"].get(f"/v1/attestations/{item['digest']}")
        check(answer.status == 404 and
              answer.body == who["acme"].get(
                  "/v1/attestations/" + "0" * 64).body,
              "another's digest is one that is not there")
    node = [i for i in every(who["plane"]) if i["scope"] is None][0]
    check(who["acme"].get(f"/v1/attestations/{node['digest']}").status == 404,
          "nor the node's own")
    for target in ("/v1/attestations?tenant=globex", "/v1/stream?tenant=globex",
                   "/v1/attestations?tenant=acme-2"):
        check(who["acme"].get(target).status == 403, f"acme {target}")
    cursor = who["globex"].json("/v1/attestations?limit=1")["next"]
    for role in ("acme", "plane", "absent"):
        check(who[role].get(f"/v1/attestations?cursor={cursor}").status == 400,
              f"another's cursor is none for {role}")
    check({s["scope"] for s in who["acme"].json("/v1/status")["scopes"]} ==
          ACME, "status is of its own scopes")
    check(who["absent"].json("/v1/status")["state"] == "NEVER",
          "and NEVER where there is none")
    for scope in ("globex/production", None):
        check(who["acme"].challenge(NONCE, scope).status == 403,
              f"acme does not challenge {scope}")


def check_streams(who, daemon):
    with_acme, with_plane = who["acme"].stream(), who["plane"].stream()
    daemon.cloison("attest", "--nonce", "0102030405060708", check=False)
    events = [with_acme.next() for _ in range(4)]
    check({data["scope"] for _, data in events} == ACME,
          "a tenant's stream has its own and nothing else")
    first = [with_plane.next() for _ in range(5)]
    check({data["scope"] for _, data in first} == ACME | GLOBEX | {None},
          "the control plane's has all")
    with_plane.close()
    again = who["plane"].stream(last=first[1][0])
    check([again.next() for _ in range(3)] == first[2:],
          "Last-Event-ID goes on without loss or repetition")
    again.close()
    with_acme.close()
    foreign = who["acme"].stream(last=first[0][0])
    check(all(foreign.next()[1]["scope"] in ACME for _ in range(3)),
          "also from another's place")
    foreign.close()
    for bad in ("x", "-1", "99999999", "1 OR 1=1", "9" * 40):
        check(who["acme"].get("/v1/stream", {"Last-Event-ID": bad}).status ==
              400, f"no event {bad}")


def verify(daemon, envelope, *options):
    files = {"envelope": envelope, "key": daemon.cloison("key").stdout.encode()}
    for name, text in files.items():
        with open(f"{daemon.directory}/{name}", "wb") as file:
            file.write(text)
    return daemon.cloison("verify", f"{daemon.directory}/envelope", "--key",
                          f"{daemon.directory}/key", *options,
                          check=False).returncode


def nonce_of(who, item):
    envelope = who["auditor"].json(f"/v1/attestations/{item['digest']}")
    payload = json.loads(base64.b64decode(envelope["payload"]))
    return payload["predicate"]["nonce"] == NONCE


def check_challenges(who, daemon):
    answer = who["acme"].challenge(NONCE, "acme/production")
    check(answer.status == 200 and
          verify(daemon, answer.body, "--nonce", NONCE) == 0,
          "a tenant's challenge comes back fresh, signed and with its nonce")
    check(verify(daemon, answer.body, "--nonce", "ff" * 16) == 1,
          "and with no other")
    for item in every(who["auditor"]):
        if item["scope"] != "acme/production":
            check(not nonce_of(who, item), f"it is not in {item['scope']}'s")
    answer = who["plane"].challenge(NONCE.upper())
    check(answer.status == 200, "the node's")
    check(verify(daemon, answer.body, "--nonce", NONCE) == 0,
          "it is spelt in lower case")
    check(who["plane"].challenge(NONCE, "nobody/test").status == 404,
          "a scope that is not here")
    item = every(who["auditor"], "&kind=isolation/v1")[0]
    answer = who["auditor"].get(f"/v1/attestations/{item['digest']}")
    check(verify(daemon, answer.body, "--max-age", "3600") == 0, "what is listed verifies offline")
    key, = who["acme"].json("/v1/trust")["keys"]
    check(key["pem"] == daemon.json("key")["pem"] and
          key["protection"] == "file", "the key that signs")


MALFORMED_TARGETS = (
    "/v1", "/v1/", "/v1/attestations/", "/v1/attestations/0",
    "/v1/attestations/" + "A" * 64, "/v1/attestations/" + "a" * 63,
    "/v1/attestations/" + "a" * 65, "/v1/attestations/" + "a" * 64 + "/x",
    "/v1/attestations?", "/v1/attestations?limit", "/v1/attestations?limit=0",
    "/v1/attestations?limit=-1", "/v1/attestations?limit=9999999999999999999",
    "/v1/attestations?limit=1&limit=1", "/v1/attestations?&",
    "/v1/attestations?limit=%31%", "/v1/attestations?limit=%00",
    "/v1/attestations?tenant=%27%20OR%201=1", "/v1/attestations?tenant=A",
    "/v1/attestations?since=now", "/v1/attestations?until=1",
    "/v1/attestations?cursor=x", "/v1/attestations?cursor=" + "A" * 32,
    "/v1/attestations?cursor=" + "A" * 1000, "/v1/attestations?verdict=OK",
    "/v1/attestations?control=%2e%2e%2f", "/v1/attestations?x=1",
    "/v1/status?maxAge=", "/v1/status?maxAge=-1", "/v1/status?maxAge=1.5",
    "/v1/status?maxAge=99999999999", "/v1/status?tenant=acme",
    "/v1/stream?limit=1", "/v1/trust?x=1", "/healthz?x=1", "/../etc/passwd",
    "/v1/%61ttestations", "//v1/status", "/v1/status/", "/V1/STATUS",
    "/v1/attestations/0/bundle", "/v1/attestations/" + "A" * 64 + "/proof",
    "/v1/attestations/" + "a" * 64 + "/bundle",
    "/v1/attestations/" + "a" * 64 + "/bundle?x=1",
    "/v1/attestations/" + "a" * 64 + "/proof/", "/v1/log", "/v1/log/",
    "/v1/log/checkpoint/", "/v1/log/checkpoint?x=1", "/v1/log/tile",
    "/v1/log/tile/", "/v1/log/tile/0", "/v1/log/tile/8/000",
    "/v1/log/tile/0/000.p/0", "/v1/log/tile/0/000.p/256",
    "/v1/log/tile/0/x000/000", "/v1/log/tile/0/../0/000",
    "/v1/log/tile/7/000", "/v1/log/tile/0/x999/999",
    "/v1/log/tile/0/x018/x446/x744/x073/x709/x551/615",
    "/v1/log/tile/entries/x018/x446/x744/x073/x709/x551/615",
    "/v1/log/tile/entries/" + "x000/" * 12 + "000",
    "/v1/log/tile/" + "0" * 900, "/v1/log/tile/0/000%2ep/1",
    "/v1/log/tile/0/000.p/1?x=1")
MALFORMED_BODIES = (
    "", "{", "[]", "null", "1", "{}", '{"nonce": 1}', '{"nonce": ""}',
    '{"nonce": "00"}', '{"nonce": "zz112233445566778899"}',
    '{"nonce": "001122334455667"}', '{"nonce": "' + "0" * 130 + '"}',
    '{"nonce": "%s", "x": 1}' % NONCE, '{"nonce": "%s"} {}' % NONCE,
    '{"nonce": "%s", "nonce": "%s"}' % (NONCE, NONCE),
    '{"nonce": "%s", "scope": 1}' % NONCE,
    '{"nonce": "%s", "scope": ""}' % NONCE,
    '{"nonce": "%s", "scope": "acme"}' % NONCE,
    '{"nonce": "%s", "scope": "acme/prod"}' % NONCE,
    '{"nonce": "%s", "scope": "acme/test/x"}' % NONCE,
    '{"nonce": "%s\\u0000"}' % NONCE, "[" * 2000, "\xff")


def check_malformed(who):
    plane = who["plane"]
    for target in MALFORMED_TARGETS:
        answer = plane.get(target)
        if target == "/v1/attestations?":
            check(answer.status == 200, "an empty query is none")
            continue
        check(400 <= answer.status < 500 and answer.type == PROBLEM and
              answer.json()["status"] == answer.status,
              f"{answer.status} for {target[:60]}")
    for body in MALFORMED_BODIES:
        answer = plane.ask("POST", "/v1/challenges", body.encode("latin-1"),
                           {"Content-Type": "application/json"})
        check(answer.status == 400 and answer.type == PROBLEM,
              f"400 for {body[:40]!r}")
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "POST", "TRACE"):
        answer = plane.ask(method, "/v1/status")
        check(answer.status == 405 and answer.headers["Allow"] == "GET, HEAD",
              f"no {method}")
    check(plane.ask("POST", "/v1/challenges", "{}").status == 415,
          "no type, no body")
    for text in (b"GET\r\n\r\n", b"\0\1\2\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\n\r\n",
                 b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
        first = plane.raw(text).split(b"\r\n")[0]
        check(not first or first.split()[1][:1] in (b"4", b"5"),
              f"{first!r} for {text!r}")


def check_limits(who):
    plane = who["plane"]
    for what, status, answer in (
            ("body", 413, plane.ask("POST", "/v1/challenges", b" " * 5000, {
                "Content-Type": "application/json"})),
            ("body in chunks", 413, plane.ask(
                "POST", "/v1/challenges", iter([b" " * 3000] * 3), {
                    "Content-Type": "application/json"})),
            ("header", 431, plane.get("/healthz", {"X": "y" * 9000})),
            ("target", 414, plane.get("/healthz?" + "x" * 2000))):
        check(answer.status == status and answer.type == PROBLEM,
              f"a {what} that is too long: {answer.status}")
    streams = [who["globex"].stream() for _ in range(4)]
    check(who["globex"].get("/v1/stream").status == 429,
          "one client has four streams")
    other = who["acme"].stream()
    check(True, "another has its own")
    for stream in [*streams, other]:
        stream.close()


def held(scope):
    """By heartbeats alone: the statement itself would be STALE."""
    stated, as_of = (datetime.datetime.fromisoformat(scope[name][:-1])
                     for name in ("time", "asOf"))
    return (scope["state"] == "PASSED" and
            (as_of - stated).total_seconds() > scope["maxAgeSeconds"])


def check_state(who, daemon, gateway):
    status = who["plane"].json("/v1/status")
    check(status["state"] == "PASSED", "PASSED while all is well")
    check(len(status["scopes"]) == 5, "for the node and four scopes")
    veth.wait_for("statements that are old, and held all the time",
                  lambda: all(held(scope) for scope in
                              who["plane"].json("/v1/status")["scopes"]))
    check({item["scope"] for item in every(who["acme"], "&kind=heartbeat/v1")}
          == ACME, "as heartbeats say, to each tenant of its own scopes")
    veth.wait_for("older than nothing is STALE", lambda: who["plane"].json(
        "/v1/status?maxAge=0")["state"] == "STALE")
    check(who["plane"].json("/v1/status?maxAge=1000")["state"] == "PASSED",
          "the same log, the same moment: PASSED")
    check(daemon.stop() == 0, "the daemon stops in order")
    check(who["plane"].json("/v1/status?maxAge=1000")["state"] == "GAP",
          "nobody watches: GAP")
    veth.wait_for("STALE after three periods", lambda: who["acme"].json(
        "/v1/status")["state"] == "STALE")
    check(who["plane"].get("/readyz").status == 503 and
          who["plane"].get("/healthz").status == 200,
          "alive, not ready, without a daemon")
    check(who["plane"].challenge(NONCE).status == 503,
          "no fresh proof without a daemon")
    check(every(who["acme"]), "the log is read without a daemon")
    gateway.stop()
    gateway.start(activated=True)
    check(every(who["acme"]), "also by a gateway that starts without one")
    daemon.start()
    veth.wait_for("PASSED again", lambda: who["plane"].json(
        "/v1/status")["state"] == "PASSED")
    check(who["plane"].get("/readyz").status == 200, "ready again")
    daemon.kill()
    veth.wait_for("STALE after kill -9", lambda: who["plane"].json(
        "/v1/status")["state"] == "STALE")
    daemon.start()


def check_metrics(who):
    text = who["auditor"].get("/metrics").body.decode()
    for word in ('cloison_state{scope="acme/production",state="PASSED"} 1',
                 "cloison_gateway_log_readable 1\n",
                 'cloison_gateway_requests_total{status="2xx"} ',
                 "cloison_gateway_streams "):
        check(word in text, word)


def check_process(gateway):
    """Every thread has given up what it could."""
    for task in os.listdir(f"/proc/{gateway.process.pid}/task"):
        with open(f"/proc/{gateway.process.pid}/task/{task}/status",
                  encoding="ascii") as file:
            fields = dict(line.split(":\t", 1) for line in file.read()
                          .splitlines() if ":\t" in line)
        check((fields["CapEff"], fields["CapBnd"], fields["NoNewPrivs"],
               fields["Seccomp"], fields["Uid"].split()[0]) ==
              ("0" * 16, "0" * 16, "1", "2", str(gateway_rig.UID)),
              f"thread {task} is confined")


def check_control(daemon):
    before = daemon.json("status")["epoch"]
    for op in ("apply", "plan", "prove", "matrix", "endpoints", "trace", "hook",
               "define", "harden"):
        reply = gateway_rig.ask(daemon, {
            "op": op, "documents": [], "xml": "", "operation": "prepare"})
        check(not reply["ok"] and reply["exit"] == 6,
              f"the gateway may not ask for {op}")
    for op in ("monitor", "flows"):
        check(not gateway_rig.ask(daemon, {"op": op})["ok"], f"nor for {op}")
    check(gateway_rig.ask(daemon, {"op": "key"})["ok"], "it may ask for the key")
    check(daemon.json("status")["epoch"] == before, "nothing was applied")


def check_rates(build, directory, daemon, authority):
    gateway = gateway_rig.Gateway(build, directory, daemon, authority,
                                  PORT + 1, "--requests", "60", "--challenges",
                                  "2", "--connections-each", "4")
    gateway.start()
    acme, globex = (gateway_rig.Client(authority, PORT + 1, name)
                    for name in ("acme", "globex"))
    answers = [acme.get("/healthz") for _ in range(40)]
    limited = [a for a in answers if a.status == 429]
    check(limited and all(a.type == PROBLEM and "Retry-After" in a.headers
                          for a in limited), "too many requests: 429")
    check(globex.get("/healthz").status == 200, "another client is not held up")
    answers = [globex.challenge(NONCE, "globex/test").status for _ in range(3)]
    check(answers == [200, 200, 429], f"challenges are rarer: {answers}")
    idle = []
    for _ in range(4):
        idle.append(socket.create_connection(("127.0.0.1", PORT + 1), 60))
    try:
        status = globex.get("/healthz").status
    except OSError:
        status = None
    check(status is None, "one address has four connections")
    for one in idle:
        one.close()
    veth.wait_for("room again", lambda: answers_at_all(globex))
    check(gateway.stop() == 0, "it stops in order")


def answers_at_all(client):
    try:
        return client.get("/healthz").status == 200
    except OSError:
        return False


def main(build):
    veth.inside()
    gateway_rig.add_user()
    world.build()
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        authority = gateway_rig.Authority(f"{directory}/pki")
        who = clients(authority,
                      gateway_rig.Authority(f"{directory}/other", "other"))
        crl = authority.revoke("revoked")
        veth.run("chown", "-R", str(gateway_rig.UID), f"{directory}/pki")
        daemon = veth.Daemon(build, directory, period=PERIOD)
        daemon.start()
        daemon.apply(world.policy())
        gateway = gateway_rig.Gateway(build, directory, daemon, authority,
                                      PORT, "--requests", "60000",
                                      "--challenges", "600", "--revoked", crl)
        gateway.start()
        check_process(gateway)
        check_control(daemon)
        check_roles(who)
        check_lists(who)
        check_insertion(who)
        check_isolation(who)
        check_streams(who, daemon)
        check_challenges(who, daemon)
        gateway_log.check_bundles(who, daemon, every)
        gateway_log.check_relying(who, daemon, authority, every)
        gateway_log.check_tiles(who, daemon)
        check_malformed(who)
        check_limits(who)
        check_state(who, daemon, gateway)
        check_metrics(who)
        check_rates(build, directory, daemon, authority)
        stream = who["acme"].stream()
        check(gateway.stop() == 0, "it stops in order, with a stream open")
        stream.close()
        check(daemon.stop() == 0, "so does the daemon")


if __name__ == "__main__":
    main(*sys.argv[1:])
