# SPDX-License-Identifier: Apache-2.0
"""Guests in sandboxes: two tenants, two environments, in a private libvirtd."""

import os
import shutil
import sys
import uuid
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

# pylint: disable=wrong-import-position
from lab import Lab, Spec, image
from lab.guest import CMDLINE, CPU, Guest
from lab.node import Node

SWAPS = "/proc/swaps"
NO_SWAPS = "Filename Type Size Used Priority\n"
CPUS = "/sys/devices/system/cpu"
TENANTS = "/run/lab/tenants"
BASES = "/run/lab/bases"
USERS = "/run/sysusers.d/cloison.conf"
ACCOUNTS = ("/etc/passwd", "/etc/group")

DOMAIN = """\
<domain type='{kind}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB' dumpCore='off'>96</memory>
  <memoryBacking><nosharepages/></memoryBacking>
  <vcpu>1</vcpu>
  <cputune><shares>512</shares></cputune>
  <blkiotune><weight>500</weight></blkiotune>
  <memtune><hard_limit unit='MiB'>512</hard_limit></memtune>
  <resource><partition>/machine/cloison-{tenant}-{environment}</partition></resource>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{home}/vmlinuz</kernel>
    <initrd>{home}/initrd</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  {cpu}
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{home}/disk.qcow2'/>
      <target dev='vda' bus='virtio'/>
      <iotune><total_iops_sec>1000</total_iops_sec></iotune>
    </disk>
    <interface type='bridge'>
      <mac address='{mac}'/>
      <source bridge='{bridge}'/>
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
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  <seclabel type='static' model='dac' relabel='yes'><label>+{uid}:+{uid}</label></seclabel>
</domain>
"""


BACKING = """
      <backingStore type='file'><format type='raw'/>
        <source file='{}'><seclabel model='dac' relabel='no'/></source>
        <backingStore/>
      </backingStore>"""


class Boxed:
    """One workload: its document, its files, its domain."""

    def __init__(self, number: int, tenant: str, environment: str,
                 uid: int, spec: Spec) -> None:
        self.tenant, self.environment = tenant, environment
        self.name, self.uid, self.spec = spec.name, uid, spec
        self.uuid = str(uuid.UUID(int=0x5eed0000 << 96 | number))
        self.home = f"{TENANTS}/{tenant}/{environment}/{self.name}"
        self.disk = f"{self.home}/disk.qcow2"

    def document(self) -> dict:
        return {"apiVersion": "cloison/v1", "kind": "Workload",
                "name": self.name, "domain": self.name, "tenant": self.tenant,
                "environment": self.environment, "interfaces": [
                    {"mac": self.spec.mac, "segment": "s", "addresses": [
                        a.split("/")[0] for a in self.spec.addresses],
                     "groups": ["g"]}]}

    def xml(self, lab: Lab, emulator: str) -> str:
        spec = self.spec
        return DOMAIN.format(
            kind=lab.accelerator, name=self.name, uuid=self.uuid,
            tenant=self.tenant, environment=self.environment, uid=self.uid,
            home=self.home, cpu=CPU[lab.accelerator], mac=spec.mac,
            bridge=lab.bridge, emulator=emulator, cmdline=escape(
                CMDLINE.format(name=spec.name,
                               addresses=",".join(spec.addresses))))

    def guest(self, lab: Lab) -> Guest:
        return Guest(self.spec, lab.root, self.home)


LAYOUT = (("acme", "production", 64001, "10.0.1.11"),
          ("acme", "test", 64002, "10.0.2.11"),
          ("globex", "production", 64003, "10.0.1.11"),
          ("globex", "test", 64004, "10.0.2.11"))
WORKLOADS = [
    Boxed(number, tenant, environment, uid, Spec(
        f"{tenant}-{environment}", f"52:54:00:0c:00:{number:02x}",
        (f"{address}/24", f"fd00:{number}::11/64")))
    for number, (tenant, environment, uid, address) in enumerate(LAYOUT, 1)]


def policy(bridge: str) -> list[dict]:
    """The documents of all four."""
    environments: dict[str, dict] = {}
    for number, (tenant, environment, uid, address) in enumerate(LAYOUT, 1):
        environments.setdefault(tenant, {})[environment] = {
            "uid": uid, "groups": ["g"], "segments": [
                {"name": "s", "cidrs": [address[:-2] + "0/24",
                                        f"fd00:{number}::/64"]}]}
    return [{"apiVersion": "cloison/v1", "kind": "Node", "name": "n",
             "bridges": [bridge], "sandbox": {
                 "uids": {"first": 64000, "count": 100},
                 "directory": TENANTS, "bases": [BASES]}},
            *({"apiVersion": "cloison/v1", "kind": "Tenant", "name": name,
               "qualification": 1, "environments": inner}
              for name, inner in environments.items()),
            *(w.document() for w in WORKLOADS)]


class Box:
    """A lab with sandboxes, its cloisond and its hook."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.lab = Lab(sandbox=True)
        self.node: Node | None = None
        self.bin = f"{self.lab.home}/bin"
        self.emulator = f"{self.bin}/cloison-qemu"

    def __enter__(self) -> "Box":
        self.lab.__enter__() # pylint: disable=unnecessary-dunder-call
        try:
            self._start()
        except BaseException:
            self.lab.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.stop()

    def _start(self) -> None:
        lab = self.lab
        os.chmod(lab.path(""), 0o711)
        # whatever this machine is like
        self.pretend(SWAPS, NO_SWAPS)
        self.pretend(f"{CPUS}/smt/active", "0\n")
        self.node = Node(lab, self.build)
        for name in ("agent/hook/cloison-hook", "agent/qemu/cloison-qemu",
                     "tests/e2e/box/cloison-qemu-escape",
                     "tests/e2e/box/escape"):
            shutil.copy(self.build / name, lab.path("bin"))
        lab.path("bases").mkdir()
        lab.path("bases/base").write_text("shared")
        self.node.start("--emulator", self.emulator)
        self.apply(policy(lab.bridge))
        self.users()
        for workload in WORKLOADS:
            self.furnish(workload)

    def apply(self, documents: list[dict]) -> dict:
        import json # pylint: disable=import-outside-toplevel
        source = self.lab.path("documents")
        source.mkdir(exist_ok=True)
        (source / "all.json").write_text(json.dumps(documents))
        return self.node.ask("apply", f"{self.lab.home}/documents")

    def users(self) -> None:
        """What cloison-users.service does, in a directory of its own: the
        lab's /etc is the machine's, but for who is in it."""
        root = f"{self.lab.home}/users"
        self.path(f"{root}/etc").mkdir(parents=True, exist_ok=True)
        for name in ACCOUNTS:
            shutil.copy(self.path(name), self.path(root + name))
        self.lab.run(["systemd-sysusers", f"--root={root}", USERS])
        for name in ACCOUNTS:
            self.pretend(name, self.path(root + name).read_text())

    def path(self, inside: str) -> Path:
        return Path(self.lab.root + inside)

    def furnish(self, workload: Boxed) -> None:
        """The files of a workload, as its operator puts them there."""
        home = self.path(workload.home)
        shutil.copy(image.kernel(), home / "vmlinuz")
        shutil.copy(self.lab.path("initrd"), home / "initrd")
        self.lab.run(["qemu-img", "create", "-q", "-f", "qcow2",
                      workload.disk, "16M"])
        for name in ("vars.fd", "master-key.aes"):
            (home / name).write_text("secret")
        for name in ("vmlinuz", "initrd", "disk.qcow2", "vars.fd",
                     "master-key.aes"):
            os.chown(home / name, workload.uid, workload.uid)
            os.chmod(home / name, 0o600)

    def pretend(self, fact: str, text: str) -> None:
        """A file of /proc or /sys reads so, for who is in the lab."""
        if not self.path(fact).exists():
            return
        name = f"{self.lab.home}/pretend{fact.replace('/', '-')}"
        known = self.path(name).exists()
        self.path(name).write_text(text)
        if not known:
            self.lab.run(["mount", "--bind", name, fact])

    def hook(self, on: bool) -> None:
        """What libvirtd's hook runs, if there is something."""
        hook = self.lab.path("hook")
        hook.unlink(missing_ok=True)
        if on:
            hook.symlink_to(f"{self.bin}/cloison-hook")

    def create(self, xml: str, check: bool = True):
        return self.lab.run(["virsh", "-q", "create", "/dev/stdin"],
                            input=xml, check=check)

    def boot(self, *workloads: Boxed, seconds: float = 120,
             backing: str = "") -> None:
        """In their sandboxes, until all are up; each says so once, to who
        listens then."""
        guests = []
        for workload in workloads:
            xml = workload.xml(self.lab, self.emulator)
            if backing:
                xml = xml.replace("disk.qcow2'/>",
                                  "disk.qcow2'/>" + BACKING.format(backing))
            self.create(xml)
            guests.append(workload.guest(self.lab))
        for guest in guests:
            with guest:
                guest.wait(seconds)

    def destroy(self, name: str) -> None:
        self.lab.run(["virsh", "-q", "destroy", name])

    def process(self, workload: Boxed) -> int:
        """Its QEMU, as a pid of the lab."""
        return int(self.path(
            f"/run/libvirt/qemu/{workload.name}.pid").read_text())
