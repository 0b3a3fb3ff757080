# SPDX-License-Identifier: Apache-2.0
"""One guest: its libvirt XML and its command channel."""

import base64
import socket
import time
import uuid
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from lab.errors import LabError

DOMAIN = """\
<domain type={type}>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  {cpu}
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <interface type='bridge'>
      <mac address={mac}/>
      <source bridge={bridge}/>
      <model type='virtio'/>
      <driver name='qemu'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'>
      <source path='{home}/{name}.console'/>
      <target port='0'/>
    </serial>
    <serial type='unix'>
      <source mode='bind' path='{home}/{name}.sock'/>
      <target port='1'/>
    </serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""
CPU = {
    "kvm": "<cpu mode='host-passthrough'/>",
    "qemu": "<cpu mode='custom'><model>qemu64</model></cpu>",
}
# no_timer_check: on a busy machine an emulated timer is late, which the kernel
# takes for a broken one, and panics.
CMDLINE = ("console=ttyS0 quiet panic=-1 mitigations=off no_timer_check "
           "net.ifnames=0 lab.name={name} lab.addr={addresses}")

KICK_SECONDS = 5


@dataclass(frozen=True)
class Spec:
    """What a guest is: `addresses` with prefix lengths, v4 and v6."""
    name: str
    mac: str
    addresses: tuple[str, ...]
    memory: int = 96
    uuid: str = ""
    metadata: str = ""

    @property
    def ip4(self) -> str:
        return next(a.split("/")[0] for a in self.addresses if "." in a)

    @property
    def ip6(self) -> str:
        return next(a.split("/")[0] for a in self.addresses if ":" in a)

    def xml(self, kind: str, kernel: str, initrd: str, bridge: str,
            home: str) -> str:
        cmdline = CMDLINE.format(name=self.name,
                                 addresses=",".join(self.addresses))
        return DOMAIN.format(
            type=quoteattr(kind), cpu=CPU[kind], name=escape(self.name),
            uuid=escape(self.uuid or str(uuid.uuid4())),
            memory=self.memory, metadata=self.metadata, kernel=escape(kernel),
            initrd=escape(initrd), cmdline=escape(cmdline),
            mac=quoteattr(self.mac), bridge=quoteattr(bridge), home=home)


class Guest:
    """A running guest. `root` is the lab's root directory as seen from here."""

    def __init__(self, spec: Spec, root: str, home: str) -> None:
        self.spec = spec
        self.name = spec.name
        self._console = f"{root}{home}/{spec.name}.console"
        self._buffer = b""
        self._number = 0
        self._channel = socket.socket(socket.AF_UNIX)
        self._channel.connect(f"{root}{home}/{spec.name}.sock")

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def console(self) -> str:
        with open(self._console, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _line(self, deadline: float) -> str:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LabError(f"{self.name}: no answer in time; its console "
                               f"ends:\n{self.console()[-2000:]}")
            self._channel.settimeout(min(left, KICK_SECONDS))
            try:
                more = self._channel.recv(65536)
            except TimeoutError:
                # An empty line, which the guest skips, wakes an emulated
                # UART that lost an interrupt on a busy machine.
                self._channel.sendall(b"\n")
                continue
            if not more:
                raise LabError(f"{self.name}: the guest is gone; its console "
                               f"ends:\n{self.console()[-2000:]}")
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode(errors="replace").strip()

    def wait(self, seconds: float) -> None:
        """Until /init is done."""
        deadline = time.monotonic() + seconds
        while self._line(deadline) != "ready":
            pass

    def ask(self, script: str) -> None:
        """Start a script; `answer` waits for it. For several guests at once."""
        self._number += 1
        text = base64.b64encode(script.encode()).decode()
        self._channel.settimeout(30)
        self._channel.sendall(f"{self._number} {text}\n".encode())

    def answer(self, seconds: float = 60) -> tuple[int, str]:
        """Exit status and output of the script asked last."""
        deadline = time.monotonic() + seconds
        while True:
            words = self._line(deadline).split(" ")
            if words[0] == str(self._number) and len(words) >= 2:
                output = base64.b64decode(words[2]) if len(words) > 2 else b""
                return int(words[1]), output.decode(errors="replace")

    def sh(self, script: str, seconds: float = 60, check: bool = True) -> str:
        self.ask(script)
        status, output = self.answer(seconds)
        if check and status != 0:
            raise LabError(f"{self.name}: status {status} of: {script}\n"
                           f"{output}")
        return output
