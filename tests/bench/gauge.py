# SPDX-License-Identifier: Apache-2.0
"""CPU time of what the kernel does for packets, and how it is told.

A packet's way through veth, bridge and hooks is softirq work. The kernel does
it in the process that sent the packet and, when there is much of it, in the
thread ksoftirqd of the same CPU. So the cost of a path is the CPU time of
sender, receiver and ksoftirqd. With both sides on one CPU no other place is
left; the share of that CPU's busy time (/proc/stat) that this accounts for is
printed as a check.
"""

import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

import veth  # noqa: E402

THREADS = "CLO_KSOFTIRQD" # cpu:fd of /proc/PID/schedstat, seen from outside


def threads():
    """{cpu: open schedstat of its ksoftirqd}, where /proc shows them."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/comm", encoding="ascii") as file:
                name, _, cpu = file.read().strip().partition("/")
        except OSError:
            continue # it ended meanwhile
        if name == "ksoftirqd":
            found[int(cpu)] = os.open(f"/proc/{entry}/schedstat", os.O_RDONLY)
    return found


def inside():
    """As veth.inside(), but with a view of the kernel's threads."""
    if os.environ.get("CLO_INSIDE") == "1":
        veth.inside()
        return
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    found = threads()
    env = dict(os.environ, CLO_INSIDE="1", PYTHONDONTWRITEBYTECODE="1")
    env[THREADS] = " ".join(f"{cpu}:{fd}" for cpu, fd in found.items())
    argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
            "--mount-proc", "--propagation", "private",
            sys.executable, *sys.argv]
    sys.exit(subprocess.run(argv, env=env, check=False,
                            pass_fds=found.values()).returncode)


class Softirq:
    """Nanoseconds that ksoftirqd of some CPUs has run."""

    def __init__(self, cpus):
        pairs = (p.split(":") for p in os.environ.get(THREADS, "").split())
        self.fds = [int(fd) for cpu, fd in pairs if int(cpu) in cpus]
        self.visible = len(self.fds) == len(cpus)

    def read(self):
        return sum(int(os.pread(fd, 64, 0).split()[0]) for fd in self.fds)


def beside(base, others, action):
    """Yield (subject, figures, figures of the base): the base runs before and
    after each subject, and both are averaged, so that a machine which changes
    its pace changes both."""
    before = action(base)
    for other in others:
        found, after = action(other), action(base)
        yield other, found, [(a + b) / 2 for a, b in zip(before, after)]
        before = after


class Samples:
    """A figure of several subjects, each value with the base's beside it."""

    def __init__(self, what, unit, base):
        self.what, self.unit, self.base = what, unit, base
        self.of, self.ratios = {base: []}, {base: []}

    def add(self, name, value, base):
        self.of.setdefault(name, []).append(value)
        self.ratios.setdefault(name, []).append(value / base)
        self.of[self.base].append(base)
        self.ratios[self.base].append(1.0)

    def spread(self):
        """The machine's noise: (max - min) / median of the base."""
        base = self.of[self.base]
        return (max(base) - min(base)) / statistics.median(base)

    def show(self):
        print(f"\n{self.what}, {self.unit}; noise of {self.base}, "
              f"(max - min) / median: {100 * self.spread():.0f}%")
        print(f"  {'':14} {'median':>10} {'min':>10} {'max':>10}   "
              f"{'x ' + self.base:>14} {'min':>7} {'max':>7} {'n':>4}")
        for name, values in self.of.items():
            ratios = self.ratios[name]
            print(f"  {name:14} {statistics.median(values):10.1f} "
                  f"{min(values):10.1f} {max(values):10.1f}   "
                  f"{statistics.median(ratios):14.3f} {min(ratios):7.3f} "
                  f"{max(ratios):7.3f} {len(values):4}", flush=True)

    def cell(self, name):
        if name not in self.of:
            return "-"
        r = self.ratios[name]
        return f"{statistics.median(r):.2f} [{min(r):.2f}-{max(r):.2f}]"


def table(head, figures, rows):
    """Figures side by side, as ratios to the base; rows: name -> text."""
    print(f"\n| {head}: median [min-max] | "
          + " | ".join(f.what for f in figures) + " |")
    print("|---|" + "---|" * len(figures))
    for name, text in rows.items():
        print(f"| {text} | " + " | ".join(f.cell(name) for f in figures)
              + " |")
    sys.stdout.flush()
