#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`cloison prove` on a live node: sound, and with a pair planted in its maps."""

import json
import sys
import tempfile

import veth
import violations
import world
from veth import check

HOME, ABROAD = "196.200.0.0/16", "198.51.100.0/24"


def rule(name, to):
    return {"name": name, "from": {"group": "web"}, "to": to,
            "ports": [f"tcp/{world.ALLOWED_PORT}"]}


def policy():
    """Every invariant has a subject: a tenant of level 2, and one who goes abroad."""
    documents = world.policy()
    documents["node"]["nationalPrefixes"] = [HOME]
    documents["acme"] = world.tenant("acme", [
        rule("web-to-db", {"group": "db"}), rule("home", {"cidr": HOME})])
    documents["acme"]["qualification"] = 2
    documents["globex"] = world.tenant("globex", [
        rule("abroad", {"cidr": ABROAD})])
    return documents


def prove(daemon):
    result = daemon.cloison("prove", "--json", check=False)
    told = json.loads(result.stdout)
    return result.returncode, told, {level["name"]: level
                                     for level in told["levels"]}


def decisions(daemon):
    """What `cloison status` says of them: of which epoch, and the verdict."""
    status = daemon.cloison("status", "--json", check=False)
    told = json.loads(status.stdout)
    return told["epoch"], told["decisions"]["verdict"]


def await_decided(daemon):
    """By the daemon itself, behind the reply; nobody asks for a proof."""
    veth.wait_for("the decision code to be asked",
                  lambda: decisions(daemon)[1] == "PROVED")
    veth.wait_for("the documents to be compared", lambda: prove(
        daemon)[2]["documents"]["verdict"] == "PROVED")
    return decisions(daemon)[0]


def prove_planted(daemon):
    """The daemon looks by itself, too: it may have repaired what was planted
    before the proof is asked for. Then it is planted again."""
    proofs = []

    def plant():
        violations.add_pair(daemon, violations.other_environment)
        proofs.append(prove(daemon))
        return proofs[-1][0] != 0

    veth.wait_for("a proof before the repair", plant)
    return proofs[-1]


def main(build):
    veth.inside()
    world.build()
    with tempfile.TemporaryDirectory() as directory:
        daemon = veth.Daemon(build, directory)
        daemon.start()
        check(daemon.cloison("prove", check=False).returncode == 4,
              "without a policy there is nothing to prove")
        daemon.apply(policy())
        check(await_decided(daemon) == 1, "the daemon asks by itself")

        code, told, levels = prove(daemon)
        check(told["verdict"] == "PROVED" and code == 0, "a sound node")
        check(set(levels) == {"kernel tables", "invariants", "documents",
                              "decisions", "ports", "hooks", "programs"} and
              all(level["lookedAt"] and not level["wrong"]
                  for level in levels.values()), "every level looked")
        check(all(i["verdict"] == "PROVED" and i["forbidden"]
                  for i in levels["invariants"]["proof"]["invariants"]),
              "every invariant has a subject")

        kinds = daemon.predicate()["proof"]["packetKinds"]
        check(kinds["wrong"] == 0 and kinds["right"] == kinds["run"] > 400,
              "every packet kind has the verdict that is promised")
        check(len(kinds["notCovered"]) == 1 and
              kinds["notCovered"][0].startswith("frame longer than four pages"),
              "but for one they are all run, by the confined daemon")

        code, told, levels = prove_planted(daemon)
        check(told["verdict"] == "VIOLATED" and code == 3, "a planted pair")
        check([d["how"] for d in levels["kernel tables"]["differences"]
               if d["table"] == "pairs"] == ["extra"],
              "the tables differ in it")
        witness = levels["invariants"]["witnesses"][0]
        check(witness["invariant"] == "environment separation" and
              "/production/" in witness["rule"], "by a rule of production's")
        check((witness["replay"], witness["attached"]) == ("passes", "passes"),
              "the attached program lets the witness through")

        shown = levels["decisions"]["witnesses"][0]
        check((shown["kernel"], shown["policy"], shown["replay"],
               shown["attached"]) == ("allowed", "denied", "reproduces",
                                      "passes"),
              "the decision code's verdict is a packet that passes")
        check(await_decided(daemon) > 1 and "the decision code in the kernel "
              "says allowed" in daemon.read_log(),
              "the daemon tells of it and repairs the tables by itself")
        check(prove(daemon)[0] == 0, "and the node is sound again")
        daemon.apply(policy())
        await_decided(daemon)
        check(prove(daemon)[0] == 0, "applied again it is sound")
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
