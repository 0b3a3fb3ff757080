# SPDX-License-Identifier: Apache-2.0
"""The lab: namespaces with a private libvirtd, and guests in them."""

import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cgroups, image, scenario
from lab.errors import LabError
from lab.guest import Guest, Spec
from lab.inside import BRIDGE, BRIDGE_MAC, HOME

INSIDE = Path(__file__).with_name("inside.py").resolve()
START_SECONDS = 60
BOOT_SECONDS = 120


class Lab:
    """Use as a context manager. `pid`: process 1 of the lab, seen from here."""

    bridge = BRIDGE
    bridge_mac = BRIDGE_MAC
    home = str(HOME)

    def __init__(self, name: str = "", sandbox: bool = False) -> None:
        """`sandbox`: with cgroups of its own, and a libvirt that gives each
        guest its own user; else all that is left to the host."""
        self.name = name or f"lab-{os.getpid()}"
        self.sandbox = sandbox
        self.pid = 0
        self.accelerator = ""
        self.guests: dict[str, Guest] = {}
        self._unshare: subprocess.Popen | None = None
        self._lifeline: socket.socket | None = None

    # -- life

    def __enter__(self) -> "Lab":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        if os.geteuid() != 0:
            raise LabError("the lab needs root (try sudo)")
        image.release()
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._lifeline = ours
        with theirs:
            # Its own session: a Ctrl-C here is ours to handle.
            more = []
            if self.sandbox:
                cgroups.make(self.name)
                more = cgroups.enter(self.name)
            self._unshare = subprocess.Popen(
                [*more, "unshare", "--mount", "--net", "--ipc", "--pid",
                 *(["--cgroup"] if self.sandbox else []), "--fork",
                 "--kill-child=KILL", "--mount-proc", "/usr/bin/python3",
                 "-I", str(INSIDE), self.name, str(theirs.fileno()),
                 *(["sandbox"] if self.sandbox else [])],
                pass_fds=[theirs.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE)
        self.pid = self._await_ready(ours)
        if self.sandbox:
            cgroups.settle(self.name)
        self._prepare_image()

    def _await_ready(self, ours: socket.socket) -> int:
        """The kernel tells who says "ready", as a pid of this namespace."""
        size = struct.calcsize("3i")
        ours.settimeout(START_SECONDS)
        try:
            data, ancillary, _, _ = ours.recvmsg(16, socket.CMSG_SPACE(size))
        except TimeoutError:
            raise LabError("the lab did not start in time") from None
        if data != b"ready": # it ended
            _, why = self._unshare.communicate()
            raise LabError(f"the lab did not start: {why.decode()}")
        return struct.unpack("3i", ancillary[0][2][:size])[0]

    def _prepare_image(self) -> None:
        labguest = self.path("labguest")
        initrd = self.path("initrd")
        image.compile_labguest(labguest)
        image.initramfs(labguest, initrd)
        self.accelerator = image.accelerator(
            lambda argv: self.run(argv, check=False), f"{HOME}/initrd")

    def keep(self) -> None:
        """Leave the lab running after this process; `stop_pid` ends it."""
        if self._lifeline:
            self._lifeline.sendall(b"keep")
            self._unshare.stderr.close()
            self._unshare = None
            self.pid = 0

    def stop(self) -> None:
        for guest in self.guests.values():
            guest.close()
        self.guests.clear()
        if self._unshare:
            self._unshare.kill() # takes its child with it
            if self.pid:
                stop_pid(self.pid)
            self._unshare.wait()
            self._unshare.stderr.close()
            self._unshare = None
        if self._lifeline:
            self._lifeline.close()
            self._lifeline = None
        self.pid = 0
        if self.sandbox:
            cgroups.remove(self.name)

    # -- inside

    @property
    def root(self) -> str:
        """The lab's file system, seen from here."""
        return f"/proc/{self.pid}/root"

    def path(self, name: str) -> Path:
        """A file in the lab's own directory, seen from here."""
        return Path(f"{self.root}{HOME}/{name}")

    def enter(self) -> list[str]:
        """The words that, put before a command, run it in the lab."""
        first = cgroups.enter(self.name) if self.sandbox else []
        more = ["-C"] if self.sandbox else []
        return [*first, "nsenter", "-t", str(self.pid), "-m", "-n", "-i", "-p",
                *more, "--"]

    def run(self, argv: Sequence[str], check: bool = True,
            **options: object) -> subprocess.CompletedProcess:
        """Run a command in the lab; output is captured as text."""
        done = subprocess.run(
            [*self.enter(), *argv], check=False, text=True,
            **{"stdin": None if "input" in options else subprocess.DEVNULL,
               "capture_output": True, **options})
        if check and done.returncode != 0:
            raise LabError(f"status {done.returncode} of: {' '.join(argv)}\n"
                           f"{done.stdout or ''}{done.stderr or ''}")
        return done

    def spawn(self, argv: Sequence[str], log: str) -> subprocess.Popen:
        """Start a command in the lab; it ends with the lab at the latest."""
        with open(self.path(log), "ab") as file:
            return subprocess.Popen(
                [*self.enter(), *argv], stdin=subprocess.DEVNULL,
                stdout=file, stderr=file, start_new_session=True)

    # -- guests

    def boot(self, specs: Iterable[Spec],
             seconds: float = BOOT_SECONDS) -> list[Guest]:
        """Start guests together; returns when all of them are up."""
        specs = list(specs)
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(self._create, specs))
        guests = [Guest(spec, self.root, str(HOME)) for spec in specs]
        self.guests.update((guest.name, guest) for guest in guests)
        for guest in guests:
            guest.wait(seconds)
        return guests

    def _create(self, spec: Spec) -> None:
        xml = spec.xml(self.accelerator, str(image.kernel()),
                       f"{HOME}/initrd", BRIDGE, str(HOME))
        self.run(["virsh", "-q", "create", "/dev/stdin"], input=xml)

    def guest(self, name: str) -> Guest:
        """A running guest's command channel: one user at a time."""
        return Guest(scenario.SPECS[name], self.root, str(HOME))

    def destroy(self, guest: Guest) -> None:
        self.run(["virsh", "-q", "destroy", guest.name])
        guest.close()
        del self.guests[guest.name]

    def tap(self, name: str) -> str:
        """The host interface of a guest's (first) NIC."""
        listing = self.run(["virsh", "-q", "domiflist", name]).stdout
        return listing.split()[0]

    def ifindex(self, interface: str) -> int:
        text = self.run(["cat", f"/sys/class/net/{interface}/ifindex"]).stdout
        return int(text)


def attach(name: str, pid: int) -> Lab:
    """A lab that another process left running; this one will not end it."""
    lab = Lab(name)
    lab.pid = pid
    return lab


def stop_pid(pid: int, seconds: float = 30) -> None:
    """End a lab by its process 1. That ends only after all others have."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        gone = select.poll()
        gone.register(fd, select.POLLIN)
        if not gone.poll(seconds * 1000):
            raise LabError(f"process {pid} of the lab does not end")
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def running() -> dict[str, int]:
    """Labs on this machine, by name: their process 1."""
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0")
            status = (entry / "status").read_text()
        except OSError:
            continue
        in_lab = re.search(r"^NSpid:.*\t1$", status, re.MULTILINE)
        if in_lab and len(argv) > 4 and argv[2].endswith(b"/lab/inside.py"):
            found[argv[3].decode()] = int(entry.name)
    return found


def terminate_on_signals() -> None:
    """SIGTERM and SIGHUP end this program as an exception would."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
