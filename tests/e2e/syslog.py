#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A daemon's findings at a syslog receiver over TLS: all of them, in order,
whoever is killed; and nothing to whom the certificate does not name."""

import contextlib
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

import gateway_rig
import veth
import world
from veth import check, wait_for

PORT = 6514


class Receiver:
    """RFC 5425 with a client's certificate; what each connection brought."""

    def __init__(self, server, clients, name="receiver"):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server.path(name, "pem"),
                                     server.path(name, "key"))
        self.context.load_verify_locations(clients.certificate)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.connections = [] # lists of messages
        self.limit = None # messages, then it dies
        self.listener = None

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", PORT))
        threading.Thread(target=self.accept, args=(self.listener,),
                         daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listener.accept()
                with plain, contextlib.suppress(OSError):
                    self.serve(plain)

    def serve(self, plain):
        with self.context.wrap_socket(plain, server_side=True,
                                      suppress_ragged_eofs=False) as tls:
            messages = []
            self.connections.append(messages)
            with tls.makefile("rb") as file:
                while message := self.frame(file):
                    messages.append(message)
                    if len(messages) == self.limit:
                        self.die(tls)
                        return
            tls.unwrap().close()

    def frame(self, file):
        """One message; none at the end."""
        size = b""
        while (byte := file.read(1)) != b" ":
            if not byte and not size:
                return None
            assert byte.isdigit() and size + byte != b"0", "no length"
            size += byte
        message = file.read(int(size))
        assert len(message) == int(size), "cut off"
        return message.decode()

    def die(self, tls):
        """As a host that is gone: what it has not read is lost."""
        self.limit = None
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.listener = None
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                       struct.pack("ii", 1, 0))
        tls.close()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.listener = None

    @property
    def last(self):
        return next((c[-1] for c in reversed(self.connections) if c), None)


class Sender:
    def __init__(self, build, daemon, authority, name="node"):
        self.log, self.state = f"{daemon.directory}/{name}.log", \
            f"{daemon.directory}/{name}.sent"
        self.argv = [f"{build}/agent/forward/cloison-forward", "--to",
                     f"tls://127.0.0.1:{PORT}", "--ca", authority.certificate,
                     "--certificate", authority.path(name, "pem"), "--key",
                     authority.path(name, "key"), "--log",
                     f"{daemon.state}/log.sqlite", "--state", self.state]
        self.process = None

    def start(self, *options):
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([*self.argv, *options], stderr=log)

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(veth.DEADLINE)


def attest(daemon, times):
    for i in range(times):
        daemon.cloison("attest", "--nonce", f"{i:04x}")


def exported(daemon, form="cef"):
    return daemon.cloison("log", "export", "--format", form, "--log",
                          f"{daemon.state}/log.sqlite").stdout.splitlines()


def await_all(daemon, receiver, form="cef"):
    """The receiver has the last event of the log."""
    last = exported(daemon, form)[-1]
    wait_for("the last event", lambda: (receiver.last or "").endswith(last))


def whole(daemon, receiver, what):
    """Each connection brought a run of the log, and no two left a hole."""
    events = exported(daemon)
    reached = again = 0
    for messages in filter(None, receiver.connections):
        first = events.index(messages[0])
        check(first <= reached and
              messages == events[first:first + len(messages)],
              f"{what}: events {first} to {first + len(messages)} in order")
        again += reached - first
        reached = first + len(messages)
    check(reached == len(events), f"{what}: none of {reached} is lost, {again} "
          "came again")
    return again


def orderly(daemon, receiver, sender):
    sender.start()
    await_all(daemon, receiver)
    check(sender.end() == 0, "it stops in order")
    attest(daemon, 2)
    sender.start()
    await_all(daemon, receiver)
    check(sender.end() == 0 and len(receiver.connections) == 2,
          "and goes on later")
    check(whole(daemon, receiver, "in order") == 0, "nothing comes twice")


def receiver_dies(daemon, receiver, sender):
    os.unlink(sender.state)
    receiver.connections.clear()
    for limit in (1, 100, 250):
        receiver.limit = limit
        if not sender.process or sender.process.poll() is not None:
            sender.start()
        wait_for("the receiver dies", lambda: receiver.listener is None)
        attest(daemon, 1)
        receiver.start()
    await_all(daemon, receiver)
    check(sender.end() == 0, "it stops in order")
    whole(daemon, receiver, "the receiver was killed")


def sender_dies(daemon, receiver, sender):
    os.unlink(sender.state)
    receiver.connections.clear()
    for some in (1, 100, 300):
        before = len(receiver.connections)
        sender.start()
        wait_for("some events", lambda: len(receiver.connections) > before
                 and len(receiver.connections[-1]) >= some)
        check(sender.end(signal.SIGKILL) == -9, "the sender is killed")
        attest(daemon, 1)
    sender.start()
    await_all(daemon, receiver)
    wait_for("what has settled is kept", lambda: os.path.exists(sender.state))
    attest(daemon, 1)
    await_all(daemon, receiver)
    check(sender.end() == 0, "it stops in order")
    whole(daemon, receiver, "the sender was killed")


def formats(daemon, receiver, sender):
    for form in ("ecs", "ocsf"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(sender.state)
        receiver.connections.clear()
        sender.start("--format", form)
        await_all(daemon, receiver, form)
        sender.end()
        check([m.split(" - isolation - ", 1)[1]
               for m in receiver.connections[0]] == exported(daemon, form)
              and all(m.startswith("<1") for m in receiver.connections[0]),
              f"{form} in lines of RFC 5424")


def refused(sender, receiver, words, what):
    """It tries again and again, says why, and no event leaves."""
    receiver.start()
    sender.start()
    wait_for("it tries again", lambda: "attempt=1" in sender.said())
    check(words in sender.said(), f"{what}: {sender.said().splitlines()[0]}")
    sender.end()
    receiver.stop()
    check(not any(receiver.connections) and not os.path.exists(sender.state),
          f"{what}: nothing is sent")


def usage(sender):
    for argv in ([], ["--to", "tls://"], ["--to", "tcp://host:1"],
                 ["--to", "tls://host:0"], ["--to", "tls://host:65536"],
                 ["--to", "tls://host/x"], ["--to", "tls://[::1"],
                 ["--format", "leef"], ["--what"], ["operand"]):
        result = subprocess.run(
            [*(sender.argv if argv else sender.argv[:1]), *argv],
            capture_output=True, text=True, check=False)
        check(result.returncode == 2 and result.stderr.count("\n") == 1,
              f"{argv}: {result.stderr.strip()}")


def main(build):
    veth.inside()
    world.build()
    with tempfile.TemporaryDirectory() as directory:
        authority = gateway_rig.Authority(f"{directory}/pki")
        other = gateway_rig.Authority(f"{directory}/other", "other")
        for one in (authority, other):
            one.sign("receiver", "IP:127.0.0.1", "serverAuth")
            one.sign("node", "")
        authority.sign("elsewhere", "DNS:siem.example.org", "serverAuth")
        daemon = veth.Daemon(build, directory)
        daemon.start()
        daemon.apply(world.policy())
        attest(daemon, 2)
        daemon.kill() # a gap is a finding, too
        daemon.start()
        attest(daemon, 1)
        check(any("log.gap" in event for event in exported(daemon)), "a gap")
        sender = Sender(build, daemon, authority)
        usage(sender)
        refused(sender, Receiver(other, authority), "not for this host, or not "
                "of --ca", "another CA's receiver")
        refused(sender, Receiver(authority, authority, "elsewhere"),
                "not for this host", "another host's certificate")
        receiver = Receiver(authority, authority)
        stranger = Sender(build, daemon, other)
        stranger.argv[stranger.argv.index("--ca") + 1] = authority.certificate
        refused(stranger, receiver, "refused this node", "a node of another CA")
        receiver.connections.clear()
        receiver.start()
        orderly(daemon, receiver, sender)
        receiver_dies(daemon, receiver, sender)
        sender_dies(daemon, receiver, sender)
        formats(daemon, receiver, sender)
        check(daemon.stop() == 0, "the daemon stops in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
