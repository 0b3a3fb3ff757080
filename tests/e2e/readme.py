#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every claim of the README names tests that exist, every command works."""

import json
import re
import subprocess
import sys
import tempfile


def output(*argv):
    return subprocess.run(argv, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def check(condition, what):
    if not condition:
        sys.exit(f"README: {what}")
    print(f"ok: {what}")


def claims(text):
    """The rows of the table "claim | tests"."""
    table = text.split("| claim | tests |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        claim, tests = row.strip("| ").rsplit(" | ", 1)
        yield claim, re.findall(r"`([^`]+)`", tests)


def main(source, build):
    with open(f"{source}/README.md", encoding="utf-8") as file:
        text = file.read()
    known = {t["name"] for t in json.loads(output(
        "ctest", "--test-dir", build, "--show-only=json-v1"))["tests"]}
    rows = list(claims(text))
    check(len(rows) > 10, "the table of claims is found")
    for claim, tests in rows:
        check(tests and set(tests) <= known,
              f"'{claim}' is held by {', '.join(tests)}")

    cloison = f"{build}/agent/cli/cloison"
    listed = text.split("Commands: ")[1].split(";")[0]
    for command in re.findall(r"`(?:cloison )?([a-z]+)`", listed):
        check("usage" in output(cloison, command, "--help").lower(),
              f"cloison {command} --help")
    daemon_help = output(f"{build}/agent/cloisond", "--help")
    for option in re.findall(r"`cloisond (--[a-z-]+)`", text):
        check(option in daemon_help, f"cloisond has {option}")
    for script in set(re.findall(r"scripts/[a-z-]+", text)):
        check(subprocess.run(["test", "-x", f"{source}/{script}"],
                             check=False).returncode == 0, f"{script} runs")

    # the policy of the README is one that the parser accepts
    with tempfile.TemporaryDirectory() as directory:
        for i, document in enumerate(re.findall(
                r"```json\n(.*?)```", text, re.S)):
            with open(f"{directory}/{i}.json", "w", encoding="utf-8") as file:
                file.write(document)
        plan = output(cloison, "plan", "--offline", directory)
        check("tcp/443  (rule public)" in plan, "the example policy compiles and is proven")


if __name__ == "__main__":
    main(*sys.argv[1:])
