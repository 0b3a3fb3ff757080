#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a sandbox costs: the start of a domain and its memory, beside stock.

Both kinds take turns in one libvirtd. usage: sandbox.py BUILD [ROUNDS]
"""

import re
import statistics
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
from boxed import WORKLOADS, Box

QEMU = "/usr/bin/qemu-system-x86_64"


def start(box: Box, xml: str, workload) -> tuple[float, int]:
    """Milliseconds until virsh returns, and KiB that the process has then."""
    begin = time.monotonic()
    box.create(xml)
    spent = (time.monotonic() - begin) * 1000
    status = box.lab.run(
        ["grep", "VmRSS", f"/proc/{box.process(workload)}/status"]).stdout
    box.destroy(workload.name)
    return spent, int(status.split()[1])


def hook(box: Box, xml: str) -> float:
    begin = time.monotonic()
    box.lab.run([f"{box.bin}/cloison-hook", WORKLOADS[0].name, "prepare",
                 "begin", "-"], input=xml)
    return (time.monotonic() - begin) * 1000


def nothing(box: Box) -> float:
    """What it takes to run a program in the lab."""
    begin = time.monotonic()
    box.lab.run(["true"], input="")
    return (time.monotonic() - begin) * 1000


def main(build: str, rounds: str = "10") -> None:
    with Box(Path(build)) as box:
        workload = WORKLOADS[0]
        boxed = workload.xml(box.lab, box.emulator)
        stock = re.sub(r"<seclabel.*</seclabel>", "",
                       boxed.replace(box.emulator, QEMU))
        kinds = {"sandbox": (boxed, True), "stock": (stock, False)}
        seen: dict[str, list[tuple[float, int]]] = {k: [] for k in kinds}
        for _ in range(int(rounds)):
            for kind, (xml, hooked) in kinds.items():
                box.hook(hooked)
                if not hooked: # stock libvirt has everybody's files open
                    box.lab.run(["chmod", "755", workload.home])
                seen[kind].append(start(box, xml, workload))
        for kind, samples in seen.items():
            spent = statistics.median(sample[0] for sample in samples)
            size = statistics.median(sample[1] for sample in samples)
            print(f"{kind:8} start {spent:7.0f} ms  resident {size:8.0f} KiB")
        calls = [(hook(box, boxed), nothing(box)) for _ in range(20)]
        print(f"hook     {statistics.median(a - b for a, b in calls):7.1f} ms "
              "beyond that of an empty program")


if __name__ == "__main__":
    main(*sys.argv[1:])
