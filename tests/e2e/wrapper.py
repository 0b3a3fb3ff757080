#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The emulator's wrapper by itself: what it holds when the user does not.

Two workloads of one scope have the same user, so that nothing but the wrapper
is between them. No libvirt; in a mount and a pid namespace of its own.

usage: wrapper.py BUILD
"""

import ctypes
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import unittest
from pathlib import Path

BUILD = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/release")
LAB = Path("/run/lab") # where cloison-qemu-escape looks for what it becomes
SANDBOXES = Path("/run/cloison/sandbox")
UID = 64001
OURS, THEIRS = (f"5eed0000-0000-4000-8000-00000000000{n}" for n in "12")
FILES = ("disk.qcow2", "initrd", "theirs.console", "vars.fd", "master-key.aes")
SECONDS = 60
# What the same user may do to its other processes and files.
BY_SAME_USER = {
    *(f"{how}-{what}" for how in ("read", "write") for what in (
        "disk.qcow2", "initrd", "console", "vars.fd", "master-key.aes")),
    "link", "connect", "connect-libvirt", "socket-datagram",
    "socketpair-datagram", "socket-any", "ptrace", "kill", "tgkill", "limits",
    "mem", "process-vm-readv", "pidfd-getfd", "socket-inet", "socket-inet6",
    "socket-netlink", "io-uring", "userfaultfd", "keyctl", "exec-shell",
    "become-shell"}


def namespaced() -> None:
    """Run again in namespaces that end with this process."""
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child",
         "--mount-proc", "--propagation", "private", sys.executable, "-B",
         __file__, str(BUILD.resolve()), "inside"], check=False)
    sys.exit(done.returncode)


def as_user(*argv: str, uid: int = UID) -> list[str]:
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
            *argv]


def sandbox(uuid: str, mode: str, *lines: str, uid: int = UID) -> Path:
    """Write the file of one domain, as the daemon does."""
    path = SANDBOXES / uuid
    path.unlink(missing_ok=True)
    path.write_text("\n".join(["cloison-sandbox 1", f"uid {uid}", f"gid {uid}",
                               f"filter {mode}", *lines, ""]))
    os.chown(path, 0, uid)
    path.chmod(0o640)
    return path


def listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    path.chmod(0o777)
    return listener


def without(call: bytes) -> None:
    """For a child before its exec: this kernel has no such system call."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(0x7fff0000)) # allow
    number = seccomp.seccomp_syscall_resolve_name(call)
    if number < 0 or seccomp.seccomp_rule_add(
            context, 0x00050000 | 38, number, 0) or seccomp.seccomp_load(
                context): # ENOSYS
        os._exit(99)


class Qemu:
    """A machine without a guest, under the wrapper; QMP by its pipes."""

    def __init__(self, uuid: str, *more: str) -> None:
        self.process = subprocess.Popen(
            as_user(f"{LAB}/bin/cloison-qemu", "-uuid", uuid, "-machine",
                    "q35", "-accel", "tcg", "-m", "64", "-display", "none",
                    "-nodefaults", "-no-user-config", "-S", "-qmp", "stdio",
                    "-sandbox", "on,obsolete=deny,elevateprivileges=deny,"
                    "spawn=deny,resourcecontrol=deny", *more),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid # setpriv becomes it
        if not self.process.stdout.readline():
            _, why = self.process.communicate()
            raise AssertionError(f"QEMU did not start: {why}")
        self.ask("qmp_capabilities")

    def __enter__(self) -> "Qemu":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, command: str, **arguments: object) -> dict:
        self.process.stdin.write(json.dumps(
            {"execute": command, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        while True:
            reply = json.loads(self.process.stdout.readline())
            if "event" not in reply:
                return reply

    def open(self, path: Path, read_only: bool = False) -> str:
        """"done", or why it was refused."""
        reply = self.ask("blockdev-add", **{
            "driver": "file", "node-name": "n", "filename": str(path),
            "read-only": read_only})
        if "error" in reply:
            return reply["error"]["desc"]
        self.ask("blockdev-del", **{"node-name": "n"})
        return "done"


class Wrapper(unittest.TestCase):
    """Each test has sandboxes of its own."""

    def setUp(self) -> None:
        for uuid, name in (OURS, "ours"), (THEIRS, "theirs"):
            sandbox(uuid, "allow", f"write {LAB}/{name}", f"read {LAB}/bases")

    def attempts(self, argv: list[str], victim: int) -> dict[str, str]:
        done = subprocess.run([*argv, f"{LAB}/theirs", "theirs", str(victim)],
                              check=False, capture_output=True, text=True,
                              timeout=SECONDS)
        self.assertEqual(done.stderr, "")
        return {line.split()[0]: line.split()[1]
                for line in done.stdout.splitlines()}

    def refused(self, reason: str, argv: list[str], **options) -> None:
        done = subprocess.run(argv, check=False, capture_output=True,
                              text=True, timeout=SECONDS, **options)
        self.assertEqual(done.returncode, 126, done)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertTrue(done.stderr.startswith("cloison-qemu: refused: "))
        self.assertIn(reason, done.stderr)

    # -- the same user, and nothing but the wrapper

    def test_escape_works_without(self) -> None:
        with Qemu(THEIRS) as victim:
            seen = self.attempts(as_user(f"{LAB}/bin/escape"), victim.pid)
        self.assertEqual({name for name in BY_SAME_USER
                          if seen[name] != "done"}, set())

    def test_escape(self) -> None:
        for mode in "allow", "deny":
            with self.subTest(mode), Qemu(THEIRS) as victim:
                sandbox(OURS, mode, f"write {LAB}/ours")
                seen = self.attempts(
                    as_user(f"{LAB}/bin/cloison-qemu-escape", "-uuid", OURS),
                    victim.pid)
                self.assertGreaterEqual(set(seen), BY_SAME_USER)
                self.assertEqual({name for name, result in seen.items()
                                  if result != "refused"}, set())

    def test_planted(self) -> None:
        """A sandbox that gives too much away is seen by the same attacks."""
        sandbox(OURS, "allow", f"write {LAB}/ours", f"write {LAB}/theirs")
        with Qemu(THEIRS) as victim:
            seen = self.attempts(
                as_user(f"{LAB}/bin/cloison-qemu-escape", "-uuid", OURS),
                victim.pid)
        self.assertEqual({name for name, result in seen.items()
                          if result != "refused"},
                         {f"{how}-{what}" for how in ("read", "write")
                          for what in ("disk.qcow2", "initrd", "console",
                                       "vars.fd", "master-key.aes")})

    # -- the real QEMU

    def test_own_files(self) -> None:
        for mode in "allow", "deny":
            sandbox(OURS, mode, f"write {LAB}/ours", f"read {LAB}/bases")
            with self.subTest(mode), Qemu(OURS) as qemu:
                self.assertEqual(qemu.open(LAB / "ours/disk.qcow2"), "done")
                self.assertEqual(qemu.open(LAB / "bases/base", True), "done")
                for path in "theirs/disk.qcow2", "bases/base":
                    self.assertIn("Permission denied", qemu.open(LAB / path))
                self.assertEqual(qemu.ask("query-status")["return"]["status"],
                                 "prelaunch")
                with open(f"/proc/{qemu.pid}/status",
                          encoding="ascii") as lines:
                    status = dict(line.split(":", 1) for line in lines)
                self.assertEqual(status["NoNewPrivs"].strip(), "1")
                self.assertEqual(int(status["CapPrm"], 16), 0)
                # the wrapper's, and two at least are not QEMU's own
                self.assertGreaterEqual(int(status["Seccomp_filters"]),
                                        4 if mode == "allow" else 3)

    def test_tpm(self) -> None:
        """QEMU cannot connect: the socket of its TPM is connected before."""
        program = shutil.which("swtpm")
        if not program:
            self.skipTest("no swtpm")
        state = LAB / "ours/tpm"
        path = state / "tpm.sock"
        state.mkdir()
        os.chown(state, UID, UID)
        tpm = subprocess.Popen(as_user(
            program, "socket", "--tpm2", "--tpmstate", f"dir={state}",
            "--ctrl", f"type=unixio,path={path}", "--terminate"))
        try:
            while not path.exists() and tpm.poll() is None:
                os.sched_yield()
            with Qemu(OURS, "-chardev", f"socket,id=chrtpm,path={path}",
                      "-tpmdev", "emulator,id=tpm-tpm0,chardev=chrtpm",
                      "-device", "tpm-crb,tpmdev=tpm-tpm0,id=tpm0") as qemu:
                self.assertEqual(qemu.ask("query-tpm")["return"][0]["model"],
                                 "tpm-crb")
        finally:
            tpm.kill()
            tpm.wait()
            shutil.rmtree(state)

    def test_foreign_sockets(self) -> None:
        wrapper = as_user(f"{LAB}/bin/cloison-qemu", "-uuid", OURS)
        link = LAB / "ours/link.sock"
        link.symlink_to("/run/libvirt/libvirt-sock-ro")
        self.addCleanup(link.unlink)
        for path in (LAB / "theirs/theirs.sock", # another's
                     Path("/run/libvirt/libvirt-sock-ro"),
                     LAB / "ours/../theirs/theirs.sock",
                     link): # root listens there
            self.refused(f"socket {path}: Permission denied",
                         [*wrapper, "-chardev", f"socket,id=c,path={path}"])

    # -- where it cannot confine

    def test_refuses(self) -> None:
        wrapper = f"{LAB}/bin/cloison-qemu"
        start = as_user(wrapper, "-uuid", OURS)
        cases = [
            ("no option -uuid", as_user(wrapper, "-machine", "q35")),
            ("no UUID", as_user(wrapper, "-uuid", "../" + OURS)),
            ("No such file", as_user(wrapper, "-uuid",
                                     OURS.replace("1", "9"))),
            ("Permission denied", as_user(wrapper, "-uuid", OURS,
                                          uid=UID + 1)),
            ("runs as 0:0", [wrapper, "-uuid", OURS]),
            ("has capabilities", [
                "setpriv", f"--reuid={UID}", f"--regid={UID}",
                "--clear-groups", "--inh-caps=+net_raw",
                "--ambient-caps=+net_raw", wrapper, "-uuid", OURS]),
        ]
        for reason, argv in cases:
            with self.subTest(reason):
                self.refused(reason, argv)
        for call in (b"landlock_create_ruleset", b"landlock_restrict_self"):
            with self.subTest(call):
                self.refused("Landlock: Function not implemented", start,
                             preexec_fn=lambda c=call: without(c))

    def test_refuses_a_sandbox(self) -> None:
        start = as_user(f"{LAB}/bin/cloison-qemu", "-uuid", OURS)
        path = SANDBOXES / OURS
        sandbox(OURS, "allow", "give /")
        self.refused("line 5 is not understood", start)
        sandbox(OURS, "none")
        self.refused("line 4 is not understood", start)
        sandbox(OURS, "allow").chmod(0o660)
        self.refused("can be written by others", start)
        os.chown(sandbox(OURS, "allow"), UID, UID)
        self.refused("can be written by others", start)
        sandbox(OURS, "allow", uid=UID + 1).chmod(0o644)
        self.refused(f"the sandbox is of {UID + 1}:{UID + 1}", start)
        path.rename(LAB / "elsewhere")
        path.symlink_to(LAB / "elsewhere")
        self.refused("symbolic links", start)
        path.unlink()
        sandbox(OURS, "allow")
        SANDBOXES.chmod(0o777)
        try:
            self.refused("can be written by others", start)
        finally:
            SANDBOXES.chmod(0o711)

    def test_probe(self) -> None:
        """What libvirt asks before it has a domain; nothing but that."""
        wrapper = f"{LAB}/bin/cloison-qemu"
        done = subprocess.run(as_user(wrapper, "-version"), check=True,
                              capture_output=True, text=True, timeout=SECONDS)
        self.assertIn("QEMU emulator version", done.stdout)
        self.refused("no option -uuid", as_user(
            wrapper, "-S", "-nodefaults", "-machine", "none", "-drive",
            f"file={LAB}/ours/disk.qcow2"))


def furnish() -> list[socket.socket]:
    """An empty /run, and two workloads in it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "lab", "/run"],
                   check=True)
    for path in (LAB / "bin", LAB / "bases", SANDBOXES):
        path.mkdir(parents=True)
    SANDBOXES.chmod(0o711)
    LAB.chmod(0o1777) # so that a hard link could be made in it
    for name in ("agent/qemu/cloison-qemu", "tests/e2e/box/escape",
                 "tests/e2e/box/cloison-qemu-escape"):
        shutil.copy(BUILD / name, LAB / "bin")
    base = LAB / "bases/base"
    base.write_text("shared" * 1024)
    base.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    for name in "ours", "theirs":
        home = LAB / name
        home.mkdir()
        for path in (home / file for file in FILES):
            path.write_text("secret" * 1024)
            os.chown(path, UID, UID)
            path.chmod(0o600)
    return [listen(LAB / "theirs/theirs.sock"),
            listen(Path("/run/libvirt/libvirt-sock-ro"))]


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    if sys.argv[2:3] != ["inside"]:
        namespaced()
    LISTENERS = furnish()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
