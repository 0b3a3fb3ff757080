#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A lab that ends, however it ends, leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

# pylint: disable=wrong-import-position
from lab import Lab, LabError, Spec, image
from lab.core import running, stop_pid

DEADLINE = 120.0
SPEC = Spec("solo", "52:54:00:0c:00:01", ("10.0.9.1/24", "fd00:9::1/64"))
HOLD = f"""
import sys, time
sys.path.insert(0, {str(SCRIPTS)!r})
from lab import Lab, Spec
from lab.core import terminate_on_signals
terminate_on_signals()
with Lab(sys.argv[1]) as lab:
    lab.boot([Spec("solo", {SPEC.mac!r}, {SPEC.addresses!r})])
    print(lab.pid, flush=True)
    time.sleep(3600)
"""


def members(pid: int) -> set[int]:
    """Processes in the pid namespace of process `pid`."""
    mine = os.readlink(f"/proc/{pid}/ns/pid")
    found = set()
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/ns/pid") == mine:
                found.add(int(entry))
        except OSError:
            pass # it ended meanwhile
    return found


def inside() -> None:
    """Run this script again where nobody else makes links or mounts."""
    if os.environ.get("CLO_INSIDE") == "1":
        return
    sys.exit(subprocess.run(
        ["unshare", "--mount", "--net", "--propagation", "private",
         sys.executable, *sys.argv], check=False,
        env=dict(os.environ, CLO_INSIDE="1")).returncode)


def outside() -> tuple:
    """What a lab must not change: links, mounts."""
    links = subprocess.run(["ip", "-o", "link"], check=True, text=True,
                           capture_output=True).stdout
    names = sorted(line.split(":")[1] for line in links.splitlines())
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return names, sorted(line.split()[4] for line in mounts)


class Leftovers(unittest.TestCase):
    def gone(self, name: str, processes: set[int]) -> None:
        deadline = time.monotonic() + DEADLINE
        left = processes
        while time.monotonic() < deadline:
            left = {p for p in processes if os.path.exists(f"/proc/{p}/exe")
                    and os.path.lexists(f"/proc/{p}/ns/pid")
                    and self.state(p) not in "ZX"}
            if not left and name not in running():
                return
            time.sleep(0.05)
        self.fail(f"{name} left {left}")

    @staticmethod
    def state(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0]
        except OSError:
            return "X"

    def ended_by(self, number: int) -> None:
        before = outside()
        name = f"leftovers-{os.getpid()}-{number}"
        with subprocess.Popen([sys.executable, "-B", "-c", HOLD, name], text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as holder:
            try:
                pid = int(holder.stdout.readline())
                processes = members(pid)
                # process 1, libvirtd and the guest's QEMU at least
                self.assertGreaterEqual(len(processes), 3)
                self.assertEqual(outside(), before)
                holder.send_signal(number)
                holder.wait(DEADLINE)
            finally:
                holder.kill()
        self.gone(name, processes)
        self.assertEqual(outside(), before)

    def test_interrupt(self) -> None:
        self.ended_by(signal.SIGINT)

    def test_terminate(self) -> None:
        self.ended_by(signal.SIGTERM)

    def test_kill(self) -> None:
        self.ended_by(signal.SIGKILL)

    def test_exception(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            with Lab() as lab:
                name, processes = lab.name, members(lab.pid)
                raise ZeroDivisionError
        self.gone(name, processes)

    def test_kept_until_ended(self) -> None:
        with Lab() as lab:
            name, pid = lab.name, lab.pid
            lab.keep()
        self.assertEqual(running().get(name), pid)
        processes = members(pid)
        stop_pid(pid)
        self.gone(name, processes)

    def test_two_at_once(self) -> None:
        with Lab(f"one-{os.getpid()}") as one, Lab(f"two-{os.getpid()}") as two:
            one.boot([SPEC])
            domains = two.run(["virsh", "-q", "list", "--name"]).stdout
            self.assertEqual(domains.strip(), "")
        self.assertNotIn(one.name, running())

    def test_failing_start_says_why(self) -> None:
        with self.assertRaisesRegex(LabError, "status 1 of: virsh"):
            with Lab() as lab:
                lab.boot([SPEC, SPEC]) # two domains of one name


if __name__ == "__main__":
    if os.geteuid() != 0 or not (image.CACHE / "release").exists():
        print("skipped: needs root, and the guest kernel of scripts/install-deps")
        sys.exit(77)
    inside()
    unittest.main(argv=sys.argv[:1])
