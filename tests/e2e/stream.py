#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A node's log into a real JetStream: nothing lost, nothing twice, in order,
whatever happens to the broker, the sender and the stream.

usage: stream.py BUILD [Stream.test_NAME]
PARTITION in the environment: for how many seconds the broker is not reached.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/release"
SECONDS = 120
PARTITION = int(os.environ.get("PARTITION", "0"))
NODE = "hv-1"


def ended_with_us() -> None:
    """In the child: no process outlives the test."""
    import ctypes # pylint: disable=import-outside-toplevel
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Authority:
    """Certificates for whoever the test needs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-subj",
                     "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")

    def openssl(self, *argv: str) -> None:
        subprocess.run(["openssl", *argv], check=True, cwd=self.home,
                       capture_output=True)

    def issue(self, name: str) -> list[str]:
        """CA, certificate and key of one."""
        (self.home / "ext").write_text("subjectAltName=IP:127.0.0.1\n"
                                       if name == "broker" else "")
        self.openssl("req", "-newkey", "ed25519", "-nodes", "-subj",
                     f"/CN={name}", "-keyout", f"{name}.key", "-out",
                     f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem",
                     "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "ext",
                     "-out", f"{name}.pem")
        return [str(self.home / file) for file in
                ("ca.pem", f"{name}.pem", f"{name}.key")]


class Broker:
    """A nats-server of this test's own, on loopback."""

    def __init__(self, home: Path) -> None:
        self.store = home / "jetstream"
        self.port = -1
        self.process: subprocess.Popen | None = None
        self.config: list[str] = [] # options of the server
        self.pems: list[str] = [] # of the control plane

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it says that it is ready."""
        self.process = subprocess.Popen(
            ["nats-server", "-a", "127.0.0.1", "-p", str(self.port), "-js",
             "-sd", self.store, *self.config], stderr=subprocess.PIPE, text=True,
            preexec_fn=ended_with_us)
        for line in self.process.stderr:
            if "connections on 127.0.0.1:" in line:
                self.port = int(line.rsplit(":", 1)[1])
            if "Server is ready" in line:
                return
        raise AssertionError("nats-server did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def tool(self, word: str) -> str:
        return subprocess.run(
            [BUILD / "tests/e2e/stream/stream_tool", self.url, word,
             *self.pems],
            check=True, stdout=subprocess.PIPE, text=True).stdout


class Stream(unittest.TestCase):
    """Each test begins with an empty log, stream and state."""

    def setUp(self) -> None:
        home = tempfile.TemporaryDirectory(prefix="clo-stream-")
        self.addCleanup(home.cleanup)
        self.home = Path(home.name)
        self.broker = Broker(self.home)
        self.broker.start()
        self.addCleanup(lambda: self.broker.kill())
        self.broker.tool("make")
        self.sender: subprocess.Popen | None = None
        self.addCleanup(self.end_sender)
        self.expected: list[str] = []

    def fill(self, count: int, boot: str = "b1") -> None:
        first = sum(1 for e in self.expected if f"/{boot}/" in e)
        subprocess.run([BUILD / "tests/e2e/stream/fill", self.home / "log",
                        self.home / "key", boot, str(count)], check=True)
        self.expected += [f"{NODE}/{boot}/{n}"
                          for n in range(first, first + count)]

    def start_sender(self, *options: str, node: str = NODE) -> None:
        with open(self.home / "sender.log", "ab") as log:
            self.sender = subprocess.Popen(
                [BUILD / "agent/stream/cloison-stream", "--broker",
                 self.broker.url, "--node", node, "--log", self.home / "log",
                 "--state", self.home / "sent", *options], stderr=log,
                preexec_fn=ended_with_us)

    def end_sender(self, number: int = signal.SIGTERM) -> None:
        if self.sender:
            self.sender.send_signal(number)
            self.assertEqual(self.sender.wait(SECONDS),
                             -9 if number == signal.SIGKILL else 0)
            self.sender = None

    def ids(self) -> list[str]:
        return [line.split()[0]
                for line in self.broker.tool("list").splitlines()]

    def await_all(self) -> None:
        """The stream has what the log has: all, once, in its order."""
        deadline = time.monotonic() + SECONDS
        while len(seen := self.ids()) < len(self.expected):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{len(seen)} of {len(self.expected)}:\n"
                    + (self.home / "sender.log").read_text()[-2000:])
            time.sleep(0.1)
        self.assertEqual(seen, self.expected)

    def attempts(self) -> int:
        return (self.home / "sender.log").read_text().count(" attempt=")

    # -- the claims

    def test_order_and_subjects(self) -> None:
        self.fill(700)
        self.start_sender()
        self.await_all()
        self.fill(300)
        self.fill(50, "b2")
        self.await_all()
        subjects = {line.split()[1]
                    for line in self.broker.tool("list").splitlines()}
        self.assertEqual(subjects, {
            f"{branch}.v1.{scope}.{NODE}" for branch in ("att", "evt")
            for scope in ("_._", "acme.test")})

    def test_sender_is_killed(self) -> None:
        self.fill(2000)
        for _ in range(5):
            self.start_sender()
            deadline = time.monotonic() + SECONDS
            before = len(self.ids())
            while len(self.ids()) == before and before < 2000:
                self.assertLess(time.monotonic(), deadline)
            self.end_sender(signal.SIGKILL)
            self.fill(20)
        self.start_sender()
        self.await_all()

    def test_broker_is_killed(self) -> None:
        self.fill(500)
        self.start_sender()
        for _ in range(2):
            self.fill(500)
            self.broker.kill()
            self.fill(500)
            self.broker.start()
        self.await_all()

    def test_stream_is_deleted(self) -> None:
        self.fill(300)
        self.start_sender()
        self.await_all()
        self.broker.tool("delete")
        self.broker.tool("make")
        self.fill(10)
        self.await_all()

    def test_store_is_rolled_back(self) -> None:
        """Acknowledged, and gone all the same."""
        self.fill(300)
        self.start_sender()
        self.await_all()
        self.broker.kill()
        shutil.copytree(self.broker.store, self.home / "snapshot")
        self.broker.start()
        self.fill(300)
        self.await_all()
        self.broker.kill()
        shutil.rmtree(self.broker.store)
        os.rename(self.home / "snapshot", self.broker.store)
        self.broker.start()
        self.assertEqual(len(self.ids()), 300)
        self.fill(5)
        self.await_all()

    def test_partition(self) -> None:
        """Connections stay, and nothing comes back; tries are few, and when
        the broker is reached again it gets what it has not."""
        self.fill(300)
        self.start_sender()
        self.await_all()
        began = time.monotonic()
        self.broker.process.send_signal(signal.SIGSTOP)
        try:
            self.fill(50)
            while (self.attempts() < 2
                   or time.monotonic() < began + PARTITION):
                self.assertLess(time.monotonic(), began + PARTITION + SECONDS)
                time.sleep(0.1)
        finally:
            self.broker.process.send_signal(signal.SIGCONT)
        lasted, attempts = time.monotonic() - began, self.attempts()
        self.await_all()
        # each takes 10 s to fail, and doubles what is waited after it
        self.assertLessEqual(attempts, 1 + lasted / 10)
        print(f"{attempts} tries in {lasted:.0f} s ... ", end="", flush=True,
              file=sys.stderr)

    def test_state_is_lost(self) -> None:
        self.fill(300)
        self.start_sender()
        self.await_all()
        self.end_sender()
        (self.home / "sent").unlink()
        self.fill(10)
        self.start_sender()
        self.await_all()

    # -- who may

    def secure(self) -> Authority:
        """The broker with the permissions that are shipped."""
        authority = Authority(self.home)
        authority.issue("broker")
        text = (ROOT / "docs/nats.conf").read_text()
        for path, name in (("/etc/nats/broker.pem", "broker.pem"),
                           ("/etc/nats/broker.key", "broker.key"),
                           ("/etc/nats/nodes-ca.pem", "ca.pem")):
            self.assertIn(path, text)
            text = text.replace(path, str(self.home / name))
        text = text.replace("users = [", 'users = [\n{user: "CN=control"}')
        (self.home / "nats.conf").write_text(text)
        self.broker.pems = authority.issue("control")
        self.broker.config = ["-c", str(self.home / "nats.conf")]
        self.broker.kill()
        self.broker.start()
        return authority

    def credentials(self, authority: Authority, name: str) -> list[str]:
        ca, certificate, key = authority.issue(name)
        return ["--ca", ca, "--certificate", certificate, "--key", key]

    def refused(self, *options: str, node: str = NODE) -> None:
        """It tries, is refused and tries again; nothing arrives."""
        log = self.home / "sender.log"
        log.unlink(missing_ok=True)
        self.start_sender(*options, node=node)
        deadline = time.monotonic() + SECONDS
        while "attempt=1" not in log.read_text():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.end_sender()
        self.assertEqual(self.ids(), [])

    def test_permissions(self) -> None:
        authority = self.secure()
        self.fill(30)
        own = self.credentials(authority, NODE)
        self.refused() # no certificate
        self.refused(*self.credentials(authority, "hv-2")) # unknown
        self.refused(*own, node="hv-9") # another's subjects
        self.start_sender(*own)
        self.await_all()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
