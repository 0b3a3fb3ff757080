# SPDX-License-Identifier: Apache-2.0
"""cloisond and its CLI, run in a lab."""

import base64
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.core import Lab
from lab.errors import LabError

PINS = "/sys/fs/bpf/cloison"
CONTROL = "/run/cloison/control"
START_SECONDS = 180 # a node may be emulated, and busy
END_SECONDS = 60 # three calls of libvirt that take all of their time
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
          "--no-new-privs")
# SQLite resolves links, so the file has to be opened inside the lab.
READ_LOG = """
import json, sqlite3, sys
log = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=10)
print(json.dumps(log.execute(
    "SELECT id, scope, verdict, envelope FROM records "
    "WHERE id > ? AND scope = ? AND kind = ? ORDER BY id",
    sys.argv[2:]).fetchall()))
"""
BINARIES = ("agent/cloisond", "agent/cli/cloison")


@dataclass(frozen=True)
class Statement:
    """One record of the node's log, with its signed text."""
    number: int
    scope: str
    verdict: str
    envelope: str

    def predicate(self) -> dict:
        payload = json.loads(self.envelope)["payload"]
        return json.loads(base64.b64decode(payload))["predicate"]


class Node:
    """A cloisond in the lab. `pid` is its process, seen from here; 0: none."""

    def __init__(self, lab: Lab, build: Path, period: int = 3) -> None:
        self.lab = lab
        self.period = period
        self.pid = 0
        self.bin = f"{lab.home}/bin"
        self.state = f"{lab.home}/state"
        self._fd = -1
        lab.path("bin").mkdir(exist_ok=True)
        for name in BINARIES:
            if not (build / name).exists():
                raise LabError(f"{build / name} is not built")
            shutil.copy(build / name, lab.path("bin")) # anybody can run it

    # -- the daemon

    def start(self, *options: str, wrapper: Sequence[str] = ()) -> None:
        """Returns when cloisond is ready and libvirt answers it."""
        path = self.lab.path("notify")
        path.unlink(missing_ok=True)
        # Closed once it is ready: nobody would read what it says later, and
        # a full queue would block it.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            notify.bind(str(path))
            self.lab.spawn(
                ["env", f"NOTIFY_SOCKET={self.lab.home}/notify", *wrapper,
                 f"{self.bin}/cloisond", "--state-dir", self.state,
                 "--pin-dir", PINS, "--socket", CONTROL,
                 "--period", str(self.period),
                 "--statement-period", "1", # each audit states all
                 *options], "cloisond.log")
            self.pid = self._await_ready(notify)
        self._fd = os.pidfd_open(self.pid)
        deadline = time.monotonic() + START_SECONDS
        while not self.status()["libvirt"]:
            if time.monotonic() > deadline:
                raise LabError("cloisond does not find libvirt:\n"
                               + self.log()[-4000:])
            time.sleep(0.05)

    def _await_ready(self, notify: socket.socket) -> int:
        deadline = time.monotonic() + START_SECONDS
        while True:
            notify.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                data, ancillary, _, _ = notify.recvmsg(
                    4096, socket.CMSG_SPACE(12))
            except TimeoutError:
                raise LabError("cloisond did not start:\n"
                               + self.log()[-4000:]) from None
            if b"READY=1" in data.split(b"\n"):
                return struct.unpack("3i", ancillary[0][2][:12])[0]

    def end(self, number: int = signal.SIGTERM) -> None:
        """Signal cloisond and wait until it is gone."""
        if not self.pid:
            return
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            pass
        gone = select.poll()
        gone.register(self._fd, select.POLLIN)
        if not gone.poll(END_SECONDS * 1000):
            where = Path(f"/proc/{self.pid}/wchan").read_text()
            raise LabError(f"cloisond does not end ({where}):\n"
                           + self.log()[-4000:])
        os.close(self._fd)
        self.pid, self._fd = 0, -1

    def log(self) -> str:
        return self.lab.path("cloisond.log").read_text(errors="replace")

    # -- the CLI

    def command(self, *args: str) -> list[str]:
        return [f"{self.bin}/cloison", "--socket", CONTROL, *args]

    def cli(self, *args: str, check: bool = True
            ) -> subprocess.CompletedProcess:
        return self.lab.run(self.command(*args), check=check)

    def ask(self, *args: str) -> dict:
        """The JSON answer of a command that must succeed."""
        return json.loads(self.cli(*args, "--json").stdout)

    def status(self) -> dict:
        """Its exit status is the verdict's, so it may be other than 0."""
        return json.loads(self.cli("status", "--json", check=False).stdout)

    def apply(self, documents: Path) -> dict:
        """Put a directory of this machine in force."""
        target = self.lab.path("policy")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(documents, target)
        return self.ask("apply", f"{self.lab.home}/policy")

    def verify(self, envelope: str, key: str, nonce: str = ""
               ) -> subprocess.CompletedProcess:
        """`cloison verify`, as nobody; both are file names in the lab."""
        more = ("--nonce", nonce) if nonce else ()
        return self.lab.run(
            [*NOBODY, f"{self.bin}/cloison", "verify", envelope, "--key", key,
             *more], check=False)

    # -- the log

    def statements(self, after: int = 0, scope: str = "",
                   kind: str = "isolation/v1") -> list[Statement]:
        """The records of one scope ("": the node's) in order."""
        rows = self.lab.run(["/usr/bin/python3", "-I", "-c", READ_LOG,
                             f"{self.state}/log.sqlite", str(after), scope,
                             kind])
        return [Statement(*row) for row in json.loads(rows.stdout)]

    def await_statement(self, verdict: str, after: int, seconds: float,
                        scope: str = "") -> Statement:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for statement in self.statements(after, scope):
                if statement.verdict == verdict:
                    return statement
            time.sleep(0.2)
        raise LabError(f"no {verdict} attestation within {seconds:.0f} s")

    # -- what is in the kernel

    def pins(self) -> list[str]:
        """Everything pinned, as paths below the pin directory."""
        found = self.lab.run(["find", PINS, "-type", "f", "-printf", "%P\\n"])
        return sorted(found.stdout.split())

    def programs(self) -> list[int]:
        """Ids of the pinned programs."""
        ids = []
        for pin in self.pins():
            if pin.startswith("prog/"):
                shown = self.lab.run(["bpftool", "-j", "prog", "show",
                                      "pinned", f"{PINS}/{pin}"])
                ids.append(json.loads(shown.stdout)["id"])
        return ids


def alive(programs: list[int]) -> list[int]:
    """Which of the BPF programs are still loaded in the kernel."""
    return [number for number in programs if subprocess.run(
        ["bpftool", "prog", "show", "id", str(number)], check=False,
        capture_output=True).returncode == 0]
