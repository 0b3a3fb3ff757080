# SPDX-License-Identifier: Apache-2.0
"""The cgroups of a lab: a subtree of each hierarchy of this machine's."""

import os
import select
import shlex
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("blkio", "cpu", "cpuacct", "memory") # of version 1
UNIFIED = ("unified", ".") # version 2: beside those, or alone
# In version 2 alone a group with controllers below it has no processes.
INNER = "inner"


def hierarchies() -> list[Path]:
    """Where a group has to be made, version 1 or 2."""
    found = [ROOT / name for name in CONTROLLERS
             if (ROOT / name / "cgroup.procs").exists()]
    return found + [ROOT / name for name in UNIFIED
                    if (ROOT / name / "cgroup.controllers").exists()]


def make(name: str) -> None:
    for hierarchy in hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)


def settle(name: str) -> None:
    """In version 2 alone: its first processes are in the top, from where it
    sees itself as all of the machine; give what the machine has to groups."""
    top = ROOT / name
    if not (top / "cgroup.controllers").exists():
        return
    (top / INNER).mkdir()
    for pid in (top / "cgroup.procs").read_text().split():
        (top / INNER / "cgroup.procs").write_text(pid)
    (top / "cgroup.subtree_control").write_text("+cpu +io +memory")


def enter(name: str) -> list[str]:
    """The words that, put before a command, run it in them."""
    script = ""
    for hierarchy in hierarchies():
        group = hierarchy / name
        if (group / INNER).exists():
            group /= INNER
        script += f"echo $$ >{shlex.quote(str(group))}/cgroup.procs && "
    return ["sh", "-c", script + 'exec "$@"', "sh"]


def await_empty(group: Path, seconds: float) -> None:
    """What has come from outside ends a little after the lab."""
    try:
        pids = (group / "cgroup.procs").read_text().split()
    except OSError: # of threads only: the group above has their processes
        return
    for pid in pids:
        try:
            fd = os.pidfd_open(int(pid))
        except ProcessLookupError:
            continue
        gone = select.poll()
        gone.register(fd, select.POLLIN)
        gone.poll(seconds * 1000)
        os.close(fd)


def remove(name: str, seconds: float = 30) -> None:
    """Once nothing of the lab runs any more."""
    for hierarchy in hierarchies():
        top = hierarchy / name
        for directory, _, _ in os.walk(top):
            await_empty(Path(directory), seconds)
        for directory, _, _ in os.walk(top, topdown=False):
            os.rmdir(directory)
