# SPDX-License-Identifier: Apache-2.0
"""A node made of network namespaces: one bridge, one veth pair per endpoint.

Every test runs itself again inside its own mount, network and PID namespaces
(see `inside`), so that whatever it leaves dies with it: links, pins, mounts,
processes. Host ends of the veth pairs stand for taps; a "guest" is a namespace
that owns the other end and may send whatever it likes.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

DEADLINE = 60.0  # seconds; generous, the machine is shared
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def inside():
    """Run this script again in namespaces of its own; return only there."""
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    if os.environ.get("CLO_INSIDE") == "1":
        setup_mounts()
        return
    env = dict(os.environ, CLO_INSIDE="1")
    argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
            "--mount-proc", "--propagation", "private",
            sys.executable, *sys.argv]
    sys.exit(subprocess.run(argv, env=env, check=False).returncode)


def setup_mounts():
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    tempfile.tempdir = "/run" # temporary files die with it
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    os.mkdir("/run/netns")
    run("ip", "link", "set", "lo", "up")


def run(*argv, check=True, **kwargs):
    return subprocess.run(argv, check=check, text=True, **kwargs)


def output(*argv):
    return run(*argv, stdout=subprocess.PIPE).stdout


def wait_for(what, probe, deadline=DEADLINE):
    """Poll `probe` until it gives something true; the event, not a sleep."""
    end = time.monotonic() + deadline
    while True:
        begin = time.monotonic()
        found = probe()
        if found:
            return found
        now = time.monotonic()
        if now > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        # a machine that is slow at this has something else to do meanwhile
        time.sleep(max(0.05, min(now - begin, 1)))


def check(condition, what):
    if not condition:
        raise AssertionError(what)
    print(f"ok: {what}", flush=True)


def enter(namespace):
    if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def entered(name):
    """This thread is in a guest's namespace: its sockets are the guest's."""
    with (open("/proc/thread-self/ns/net", encoding="ascii") as home,
          open(f"/run/netns/{name}", encoding="ascii") as guest):
        enter(guest)
        try:
            yield
        finally:
            enter(home)


def answer(listener, name):
    while True:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):
            client.sendall(name.encode())


def serve(name, port):
    """Answer each TCP client on this thread's namespace with `name`."""
    listener = socket.create_server(("::", port), family=socket.AF_INET6,
                                    dualstack_ipv6=True, backlog=64)
    threading.Thread(target=answer, args=(listener, name),
                     daemon=True).start()


class Guest:
    """One endpoint: a namespace with one interface behind a veth pair."""

    def __init__(self, name, mac, addresses, bridge):
        self.name, self.mac, self.addresses = name, mac, addresses
        self.tap = f"t-{name}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", self.tap, "type", "veth", "peer", "name",
            "eth0", "netns", name)
        self.ip("link", "set", "eth0", "address", mac)
        # the kernel would drop what a guest's own stack has not checksummed
        self.exec("ethtool", "-K", "eth0", "tx", "off", check=False,
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.ip("link", "set", "lo", "up")
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            self.ip("address", "add", address, "dev", "eth0", *extra)
        self.ip("link", "set", "eth0", "up")
        run("ip", "link", "set", self.tap, "master", bridge, "up")
        self.servers = []

    def ip(self, *argv):
        run("ip", "-n", self.name, *argv)

    def exec(self, *argv, **kwargs):
        return run("ip", "netns", "exec", self.name, *argv, **kwargs)

    def popen(self, code, *args, **kwargs):
        argv = ["ip", "netns", "exec", self.name, sys.executable, "-u", "-c",
                code, *args]
        process = subprocess.Popen(argv, text=True, **kwargs)
        self.servers.append(process)
        return process

    @property
    def address(self):
        return self.addresses[0].split("/")[0]

    def neighbours(self, macs):
        """Know these {address: MAC}, permanently."""
        lines = [f"neigh replace {address} lladdr {mac} dev eth0 nud permanent"
                 for address, mac in macs.items()]
        run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def forget(self):
        """All that neighbours() told."""
        self.ip("neigh", "flush", "dev", "eth0", "nud", "permanent")

    def serve(self, port):
        """A TCP server that answers each client with the guest's name."""
        with entered(self.name):
            serve(self.name, port)

    def connect(self, address, port, timeout=3):
        """Who answers on address:port; '' if nobody does."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with entered(self.name):
            client = socket.socket(family, socket.SOCK_STREAM)
        with client, contextlib.suppress(OSError):
            client.settimeout(timeout)
            client.connect((address, port))
            return client.recv(100).decode()
        return ""

    def ping(self, address, timeout=1):
        return self.exec("ping", "-n", "-c", "1", "-W", str(timeout), address,
                         check=False, stdout=subprocess.DEVNULL).returncode == 0


def check_line(process, word):
    line = process.stdout.readline()
    if word not in line:
        raise AssertionError(f"server said {line!r}, not {word!r}")


def write_documents(directory, documents):
    """{name: document}: a file of each in a new directory."""
    run("rm", "-rf", directory)
    os.mkdir(directory)
    for name, document in documents.items():
        with open(f"{directory}/{name}.json", "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)


class Daemon:
    """cloisond and cloison as the build directory has them."""

    def __init__(self, build, directory, period=3600, options=()):
        self.build, self.directory = build, directory
        self.state = f"{directory}/state"
        self.socket = f"{directory}/control"
        self.pins = "/sys/fs/bpf/cloison"
        self.log = f"{directory}/cloisond.log"
        self.wrapper = []
        self.argv = [f"{build}/agent/cloisond", "--state-dir", self.state,
                     "--socket", self.socket, "--pin-dir", self.pins,
                     "--libvirt", "none", "--tpm", "none", "--period", str(period), *options]
        self.process = None

    def start(self):
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([*self.wrapper, *self.argv],
                                            stderr=log)
        wait_for("cloisond answers", self.answers)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"cloisond ended: {self.read_log()}")
        return self.cloison("key", check=False).returncode == 0

    def read_log(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)

    def cloison(self, *argv, check=True):
        result = subprocess.run(
            [f"{self.build}/agent/cli/cloison", "--socket", self.socket,
             *argv], text=True, capture_output=True, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"cloison {argv}: {result.returncode} "
                                 f"{result.stdout}{result.stderr}\n"
                                 f"{self.read_log()}")
        return result

    def json(self, *argv, check=False):
        return json.loads(self.cloison("--json", *argv, check=check).stdout)

    def apply(self, documents, *options, check=True):
        """Write {name: document} below the directory and apply it."""
        policy = f"{self.directory}/policy"
        write_documents(policy, documents)
        return self.cloison("apply", *options, policy, check=check)

    def predicate(self, *argv):
        """Predicate of the latest attestation, after its signature held."""
        envelope = f"{self.directory}/att.json"
        key = f"{self.directory}/key.pem"
        with open(envelope, "w", encoding="utf-8") as file:
            file.write(self.cloison("attest", *argv).stdout)
        with open(key, "w", encoding="utf-8") as file:
            file.write(self.cloison("key").stdout)
        result = self.cloison("verify", envelope, "--key", key, check=False)
        if result.returncode in (1, 2):
            raise AssertionError(f"verify: {result.stdout}{result.stderr}")
        import base64
        with open(envelope, encoding="utf-8") as file:
            payload = json.load(file)["payload"]
        return json.loads(base64.b64decode(payload))["predicate"]


def failed_controls(predicate):
    return {c["id"]: c["detail"] for c in predicate["controls"]
            if c["result"] == "FAIL" and c["mandatory"]}


def ifindex(name):
    with open(f"/sys/class/net/{name}/ifindex", encoding="ascii") as file:
        return int(file.read())
