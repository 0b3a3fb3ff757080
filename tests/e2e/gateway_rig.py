# SPDX-License-Identifier: Apache-2.0
"""A certificate authority, a cloison-gateway as its own user, and clients."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys

import veth

USER, UID, READERS = "cloison-gateway", 64990, 64991
STREAM_USER, STREAM_UID = "cloison-stream", 64992
PROBLEM = "application/problem+json"


def add_user():
    """The users and groups that the package makes, in this namespace only."""
    for path, lines in (
            ("/etc/passwd",
             f"{USER}:x:{UID}:{UID}::/nonexistent:/bin/false\n"
             f"{STREAM_USER}:x:{STREAM_UID}:{STREAM_UID}::/nonexistent:"
             "/bin/false\n"),
            ("/etc/group",
             f"{USER}:x:{UID}:{STREAM_USER}\n{STREAM_USER}:x:{STREAM_UID}:\n"
             f"cloison:x:{READERS}:{USER},{STREAM_USER}\n")):
        copy = f"/run/{os.path.basename(path)}"
        with open(path, encoding="utf-8") as file:
            kept = "".join(line for line in file if line.split(":")[0]
                           not in (USER, STREAM_USER, "cloison"))
        with open(copy, "w", encoding="utf-8") as file:
            file.write(kept + lines)
        veth.run("mount", "--bind", copy, path)


def become(uid):
    """argv in front of what runs as one of the two, as systemd would run it."""
    groups = f"{READERS}" if uid == UID else f"{READERS},{UID}"
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}",
            f"--groups={groups}", "--bounding-set=-all"]


def ask(daemon, request, uid=UID):
    """What the daemon says to one of these users, however it asks."""
    code = ("import socket, struct, sys\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "t = sys.stdin.buffer.read()\n"
            "try: s.sendall(struct.pack('<I', len(t)) + t)\n"
            "except OSError: pass\n"
            "n = struct.unpack('<I', s.recv(4, socket.MSG_WAITALL))[0]\n"
            "print(s.recv(n, socket.MSG_WAITALL).decode())\n")
    done = subprocess.run(
        [*become(uid), sys.executable, "-c", code, daemon.socket],
        input=json.dumps(request), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class Authority:
    """A CA and what it signs, made by openssl."""

    def __init__(self, directory, name="ca"):
        self.directory, self.name = directory, name
        os.makedirs(directory, exist_ok=True)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     f"/CN={name}", "-days", "2", "-keyout",
                     self.path(name, "key"), "-out", self.path(name, "pem"),
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def path(self, name, kind):
        return f"{self.directory}/{name}.{kind}"

    @property
    def certificate(self):
        return self.path(self.name, "pem")

    def openssl(self, *argv):
        done = subprocess.run(["openssl", *argv], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise AssertionError(f"openssl {argv}: {done.stderr}")

    def sign(self, name, alternatives, purpose="clientAuth", days=2):
        extensions = self.path(name, "ext")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"extendedKeyUsage={purpose}\n")
            if alternatives:
                file.write(f"subjectAltName={alternatives}\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     f"/CN={name}", "-keyout", self.path(name, "key"),
                     "-out", self.path(name, "csr"))
        self.openssl("x509", "-req", "-in", self.path(name, "csr"), "-CA",
                     self.certificate, "-CAkey", self.path(self.name, "key"),
                     "-CAcreateserial", "-days", str(days), "-extfile",
                     extensions, "-out", self.path(name, "pem"))
        return name

    def revoke(self, name):
        """A revocation list with this one in it."""
        config = self.path("revoke", "cnf")
        with open(config, "w", encoding="ascii") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\n"
                       f"database={self.directory}/index\n"
                       "default_md=sha256\ndefault_crl_days=1\n")
        with open(f"{self.directory}/index", "w", encoding="ascii"):
            pass
        common = ("-config", config, "-cert", self.certificate, "-keyfile",
                  self.path(self.name, "key"))
        self.openssl("ca", *common, "-revoke", self.path(name, "pem"))
        self.openssl("ca", *common, "-gencrl", "-out",
                     self.path("revoked", "crl"))
        return self.path("revoked", "crl")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.type = response.getheader("Content-Type")
        self.headers = dict(response.getheaders())
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Client:
    """Who shows this certificate (None: none), to one port."""

    def __init__(self, authority, port, name=None, signer=None):
        self.port, self.name = port, name
        self.context = ssl.create_default_context(
            cafile=authority.certificate)
        if name:
            signer = signer or authority
            self.context.load_cert_chain(signer.path(name, "pem"),
                                         signer.path(name, "key"))

    def connect(self, timeout=60):
        return http.client.HTTPSConnection("127.0.0.1", self.port,
                                           context=self.context,
                                           timeout=timeout)

    def ask(self, method, target, body=None, headers=None):
        connection = self.connect()
        try:
            connection.request(method, target, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, target, headers=None):
        return self.ask("GET", target, None, headers)

    def json(self, target):
        answer = self.get(target)
        if answer.status != 200:
            raise AssertionError(f"{self.name} {target}: {answer.status} "
                                 f"{answer.body}")
        return answer.json()

    def challenge(self, nonce, scope=None):
        wish = {"nonce": nonce} | ({"scope": scope} if scope else {})
        return self.ask("POST", "/v1/challenges", json.dumps(wish),
                        {"Content-Type": "application/json"})

    def raw(self, text):
        """The first line that comes back for these bytes, and the rest."""
        plain = socket.create_connection(("127.0.0.1", self.port), 60)
        with self.context.wrap_socket(
                plain, server_hostname="127.0.0.1") as tls:
            tls.sendall(text)
            data = b""
            while True:
                more = tls.recv(65536)
                if not more:
                    return data
                data += more

    def stream(self, target="/v1/stream", last=None):
        return Stream(self, target, last)


class Stream:
    """Server-sent events, one at a time."""

    def __init__(self, client, target, last):
        self.connection = client.connect()
        headers = {"Last-Event-ID": last} if last else {}
        self.connection.request("GET", target, None, headers)
        self.response = self.connection.getresponse()
        if self.response.status != 200:
            raise AssertionError(f"stream: {self.response.status}")

    def next(self):
        """(id, data) of the next event; None at the end."""
        event = {}
        while True:
            line = self.response.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if not line and "data" in event:
                return event["id"], json.loads(event["data"])
            if line and not line.startswith(":"):
                name, value = line.split(": ", 1)
                event[name] = value

    def close(self):
        self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Gateway:
    """cloison-gateway, as the user that systemd would run it as."""

    def __init__(self, build, directory, daemon, authority, port, *options):
        self.directory, self.port = directory, port
        self.log = f"{directory}/gateway-{port}.log"
        binary = f"{directory}/cloison-gateway-{port}"
        shutil.copy(f"{build}/agent/gateway/cloison-gateway", binary)
        self.argv = [
            *become(UID), binary,
            "--certificate", authority.path("node", "pem"),
            "--key", authority.path("node", "key"),
            "--client-ca", authority.certificate,
            "--log", f"{daemon.state}/log.sqlite",
            "--socket", daemon.socket, *options]
        self.process = None

    def start(self, activated=False):
        """Returns when it says that it is ready."""
        path = f"{self.directory}/notify-{self.port}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            os.chmod(path, 0o777)
            self._spawn(path, activated)
            notify.settimeout(0.2)
            veth.wait_for("the gateway is ready",
                          lambda: self._is_ready(notify))
        os.unlink(path)

    def _spawn(self, notify, activated):
        # a leak checker traces its process, which the confinement refuses
        env = dict(os.environ, NOTIFY_SOCKET=notify,
                   ASAN_OPTIONS="detect_leaks=0")
        with open(self.log, "a", encoding="utf-8") as log:
            if not activated:
                self.process = subprocess.Popen(
                    [*self.argv, "--listen", f"127.0.0.1:{self.port}"],
                    stderr=log, env=env)
                return
            with socket.create_server(("127.0.0.1", self.port)) as listener:
                self.process = subprocess.Popen(
                    ["bash", "-c", f"exec 3<&{listener.fileno()}; "
                     "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", "bash",
                     *self.argv], stderr=log, env=env,
                    pass_fds=[listener.fileno()])

    def _is_ready(self, notify):
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway ended: {self.read_log()}")
        try:
            return notify.recv(100) == b"READY=1"
        except TimeoutError:
            return False

    def read_log(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(veth.DEADLINE)
