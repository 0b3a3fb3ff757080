# SPDX-License-Identifier: Apache-2.0
"""What the tour prints. Colours only on a terminal."""

import os
import sys

from lab import scenario
from lab.probing import Allowed, Observation

GREEN, RED, BOLD, DIM, PLAIN = "32", "31", "1", "2", ""
SHORT = {"production": "prod", "test": "test", "development": "dev"}


def colour(code: str, text: str) -> str:
    if not code or not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\033[{code}m{text}\033[0m"


def heading(text: str) -> None:
    print(colour(BOLD, f"\n== {text}"), flush=True)


def verdict(good: bool, text: str) -> None:
    print(colour(GREEN if good else RED, text), flush=True)


def short(scope: tuple[str, str] | str) -> str:
    if isinstance(scope, str):
        return scope
    return f"{scope[0]}/{SHORT[scope[1]]}"


def cell(source: object, target: object, seen: Observation,
         allowed: Allowed) -> tuple[str, str]:
    """Text and colour: flows that got through of those that may."""
    got = may = leaked = 0
    for (a, b, service), answer in seen.answers.items():
        if (scenario.SCOPE[a], scenario.SCOPE.get(b, b)) != (source, target):
            continue
        right = service in allowed.get((a, b), ())
        may += right
        got += right and answer != "-"
        leaked += not right and answer != "-"
    for (a, b), count in seen.heard.items():
        if ((scenario.SCOPE.get(a, a), scenario.SCOPE.get(b, b))
                == (source, target)
                and not allowed.get((a, b)) and not allowed.get((b, a))):
            leaked += bool(count)
    if leaked:
        return f"LEAK {leaked}", RED
    if got == may:
        return (f"{got}/{may}", GREEN) if may else (".", DIM)
    return f"{got}/{may}", RED


def matrix(seen: Observation, allowed: Allowed) -> None:
    """Rows: from. Columns: to."""
    scopes = list(dict.fromkeys(scenario.SCOPE.values()))
    columns = [*scopes, scenario.NODE]
    print(" " * 13 + "".join(f"{short(c):>13}" for c in columns))
    for source in scopes:
        cells = [cell(source, target, seen, allowed) for target in columns]
        print(f"{short(source):<13}"
              + "".join(colour(code, f"{text:>13}") for text, code in cells))
    print(colour(DIM, "flows observed/expected; . = none expected, nothing "
                      "answered, no frame heard"))


def summary(seen: Observation, allowed: Allowed) -> str:
    right = [flow for flow in seen.answers
             if flow[2] in allowed.get(flow[:2], ())]
    wrong = [flow for flow in seen.answers if flow not in right]
    return (f"{sum(map(seen.open, right))} of {len(right)} allowed flows "
            f"answered by the right guest, {sum(map(seen.open, wrong))} of "
            f"{len(wrong)} forbidden ones got through")
