# SPDX-License-Identifier: Apache-2.0
"""The cgroups of a lab: a subtree of each hierarchy of this machine's."""

import os
import shlex
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("blkio", "cpu", "cpuacct", "memory") # of version 1
UNIFIED = ("unified", ".") # version 2: beside those, or alone


def hierarchies() -> list[Path]:
    """Where a group has to be made, version 1 or 2."""
    found = [ROOT / name for name in CONTROLLERS
             if (ROOT / name / "cgroup.procs").exists()]
    return found + [ROOT / name for name in UNIFIED
                    if (ROOT / name / "cgroup.controllers").exists()]


def enter(name: str) -> list[str]:
    """Make them. The words that, put before a command, run it in them."""
    script = ""
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        script += f"echo $$ >{shlex.quote(str(group))}/cgroup.procs && "
    return ["sh", "-c", script + 'exec "$@"', "sh"]


def remove(name: str) -> None:
    """Once nothing runs in them."""
    for hierarchy in hierarchies():
        top = hierarchy / name
        for directory, _, _ in os.walk(top, topdown=False):
            os.rmdir(directory)
