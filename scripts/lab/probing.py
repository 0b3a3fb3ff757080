# SPDX-License-Identifier: Apache-2.0
"""Each guest tries to reach each other guest; what came of it.

A guest attacks by a permanent neighbour entry: its frames carry the victim's
MAC, so the bridge brings them to the victim's tap, whoever else has that
address. A tenant's own guests and the other tenant's share addresses, hence
two rounds. A guest cannot speak by its IP stack to the one guest that has its
own address: that one gets hand-made frames. What arrived is told by answers,
which carry the answering guest's name, and by counting at the receiver every
frame by sender, which also sees what is never answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab import frames, scenario
from lab.core import Lab
from lab.errors import LabError
from lab.guest import Guest

MIN_MS = 2000 # long against the few ms that a frame takes in the control
MAX_MS = 15000 # for those that must answer, on a busy machine
FLOWS = tuple[str, str, str] # from, to, service
Allowed = Mapping[tuple[str, str], set[str]]


@dataclass
class Observation:
    answers: dict[FLOWS, str] = field(default_factory=dict)
    heard: dict[tuple[str, str], int] = field(default_factory=dict)

    def open(self, flow: FLOWS) -> bool:
        return self.answers[flow] != "-"


def everything() -> Allowed:
    """What flows on a plain bridge; the node's answers are not predictable."""
    return {(a, b): set(scenario.SERVICES) for a in scenario.SPECS
            for b in scenario.SPECS if a != b}


def address(name: str, family: int) -> str:
    if name == scenario.NODE:
        return "10.0.0.1" if family == 4 else "fd00::1"
    spec = scenario.SPECS[name]
    return spec.ip4 if family == 4 else spec.ip6


def together(guests: list[Guest], scripts: Mapping[str, str]) -> dict[str, str]:
    """Run one script in each guest, all at once."""
    asked = [guest for guest in guests if guest.name in scripts]
    for guest in asked:
        guest.ask(scripts[guest.name])
    outputs = {}
    for guest in asked:
        status, outputs[guest.name] = guest.answer()
        if status != 0:
            raise LabError(f"{guest.name}: {outputs[guest.name]}")
    return outputs


def here(command: str, lines: list[str]) -> str:
    return f"{command} <<'END'\n" + "".join(f"{l}\n" for l in lines) + "END\n"


class Prober:
    """Probes the scenario's guests in a lab in which all of them run."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.guests = [lab.guests[name] for name in scenario.SPECS]
        self.macs = {spec.mac: name for name, spec in scenario.SPECS.items()}
        self.macs[lab.bridge_mac] = scenario.NODE
        lab.spawn([f"{lab.home}/labguest", "serve", scenario.NODE, lab.bridge],
                  "node.log")

    def mac(self, name: str) -> str:
        return next(mac for mac, owner in self.macs.items() if owner == name)

    def probe(self, allowed: Allowed) -> Observation:
        """All rounds. `allowed` only says for which answers to wait longer."""
        seen = Observation()
        for own in (False, True): # ends with lawful neighbours
            self._round(own, allowed, seen)
        return seen

    def probe_resolving(self, allowed: Allowed) -> Observation:
        """A tenant's own guests, found by ARP and neighbour discovery. Not
        the node: what lies outside may be asked for, and that is heard."""
        seen = Observation()
        self._round(True, allowed, seen, resolve=True)
        return seen

    def _targets(self, name: str, own: bool) -> list[str]:
        tenant = scenario.SCOPE[name][0]
        found = [other for other, (owner, _) in scenario.SCOPE.items()
                 if (owner == tenant) == own and other != name]
        return found + [scenario.NODE] if own else found

    def _round(self, own: bool, allowed: Allowed, seen: Observation,
               resolve: bool = False) -> None:
        neigh, probe = {}, {}
        for name, spec in scenario.SPECS.items():
            targets = self._targets(name, own)
            twins = [t for t in targets if address(t, 4) == spec.ip4]
            targets = [t for t in targets if t not in twins
                       and not (resolve and t == scenario.NODE)]
            verb = "del" if resolve else "add"
            neigh[name] = here("labguest neigh eth0", [
                f"{verb} {address(t, family)} {self.mac(t)}"
                for t in targets for family in (4, 6)])
            probe[name] = self._raw(name, twins) + here(
                f"labguest probe {MIN_MS} {MAX_MS}",
                [self._line(name, t, service, allowed)
                 for t in targets for service in scenario.SERVICES])
        together(self.guests, neigh)
        self._heard()
        for name, output in together(self.guests, probe).items():
            for line in output.splitlines():
                flow, answer = line.split(" ", 1)
                target, service = flow.split("|")
                seen.answers[(name, target, service)] = answer
        for pair, count in self._heard().items():
            seen.heard[pair] = seen.heard.get(pair, 0) + count

    @staticmethod
    def _line(name: str, target: str, service: str, allowed: Allowed) -> str:
        proto, family, port = scenario.SERVICES[service]
        expected = int(service in allowed.get((name, target), ()))
        return (f"{target}|{service} {proto} {address(target, family)} "
                f"{port} {expected}")

    def _raw(self, name: str, twins: list[str]) -> str:
        spec = scenario.SPECS[name]
        lines = [frame.hex() for twin in twins for family in (4, 6)
                 for frame in frames.burst(spec.mac, self.mac(twin),
                                           address(name, family),
                                           address(twin, family))]
        return here("labguest frame eth0", lines) if lines else ""

    def hears(self) -> dict[tuple[str, str, str, str], int]:
        """Frames since asked last, by who heard them, the sender's MAC, the
        ethertype, and "us" (to the own MAC) or "all"."""
        outputs = together(self.guests, {
            guest.name: "nc ::1 7 </dev/null" for guest in self.guests})
        outputs[scenario.NODE] = self.lab.run(
            ["busybox", "nc", "::1", "7"]).stdout
        return {(name, *line.split()[:3]): int(line.split()[3])
                for name, output in outputs.items()
                for line in output.splitlines()}

    def _heard(self) -> dict[tuple[str, str], int]:
        """IP frames (from, to) since asked last."""
        counts: dict[tuple[str, str], int] = {}
        for (name, mac, ethertype, to), count in self.hears().items():
            if ethertype in ("0800", "86dd") and to == "us":
                pair = (self.macs.get(mac, mac), name)
                counts[pair] = counts.get(pair, 0) + count
        return counts


def faults(seen: Observation, allowed: Allowed) -> list[str]:
    """What differs from `allowed`: one line each; none means it held."""
    lines = []
    for (source, target, service), answer in seen.answers.items():
        flow = f"{source} -> {target} {service}"
        right = ("pong",) if service.startswith("ping") else (target,)
        if service not in allowed.get((source, target), ()):
            if answer != "-":
                lines.append(f"LEAK {flow}: answered {answer}")
        elif answer == "-":
            lines.append(f"LOST {flow}: no answer")
        elif answer not in right:
            lines.append(f"WRONG {flow}: answered {answer}")
    for (source, target), count in seen.heard.items():
        if not (allowed.get((source, target)) or allowed.get((target, source))):
            lines.append(f"LEAK {source} -> {target}: {count} frames heard")
    return lines


def control(seen: Observation) -> tuple[str, list[str]]:
    """Without a guard everything must flow, or the lab could not see a leak."""
    names = [*scenario.SPECS]
    lines = [line for line in faults(seen, everything())
             if scenario.NODE not in line]
    lines += [f"MUTE {a} -> {b}: no frame heard" for a in names
              for b in [*names, scenario.NODE]
              if a != b and not seen.heard.get((a, b))]
    flows = [flow for flow in seen.answers if flow[1] != scenario.NODE]
    crossing = [f for f in flows
                if scenario.SCOPE[f[0]] != scenario.SCOPE[f[1]]]
    walls = sum(seen.open(flow) for flow in crossing)
    return (f"{sum(map(seen.open, flows))} of {len(flows)} flows answered, "
            f"{walls} of {len(crossing)} across a tenant or environment, "
            f"{sum(map(bool, seen.heard.values()))} pairs heard"), lines
