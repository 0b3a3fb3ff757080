#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A guest that has taken over its QEMU reaches nothing of another's.

usage: sandbox.py BUILD
"""

import re
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
from boxed import ACCOUNTS, ROOT, USERS, WORKLOADS, Box, policy

BUILD = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/release"
OURS, OTHER_ENVIRONMENT, OTHER, _ = WORKLOADS
QEMU = "/usr/bin/qemu-system-x86_64"

# What a user of its own stops, without any further confinement.
BY_USER = {f"{how}-{what}" for how in ("read", "write") for what in (
    "disk.qcow2", "initrd", "console", "vars.fd", "master-key.aes")} | {
        "link", "write-base", "connect", "ptrace", "kill", "mem",
        "process-vm-readv", "pidfd-getfd"}
# What one user for all guests, as libvirt has it, lets through.
STOCK = {"read-disk.qcow2", "write-disk.qcow2", "read-initrd", "read-vars.fd",
         "write-vars.fd", "read-master-key.aes", "ptrace", "kill", "mem",
         "process-vm-readv", "pidfd-getfd", "socket-inet", "socket-inet6",
         "socket-netlink", "io-uring", "userfaultfd", "keyctl", "exec-shell"}

# Each breaks its profile: (what of the good XML, by what, why it is refused).
BROKEN = [
    ("<nosharepages/>", "", "nosharepages"),
    (" dumpCore='off'", "", "dumpCore"),
    ("<shares>512</shares>", "", "cputune"),
    ("<hard_limit unit='MiB'>512</hard_limit>", "", "memtune"),
    ("<total_iops_sec>1000</total_iops_sec>", "", "iotune"),
    ("cloison-acme-production", "cloison-globex-production", "partition"),
    ("+64001:+64001", "+64003:+64003", "+64001:+64001"),
    ("/run/lab/bin/cloison-qemu", QEMU, "emulator"),
    ("type='bridge'", "type='user'", "of type user"),
    ("52:54:00:0c:00:01", "52:54:00:0c:00:03", "MAC"),
    ("<driver name='qemu'/>", "<driver name='vhost'/>", "vhost"),
    (OURS.disk, OTHER.disk, OTHER.disk),
    (OURS.disk, OTHER_ENVIRONMENT.disk, OTHER_ENVIRONMENT.disk),
    ("</devices>", "<sound model='ich9'/></devices>", "sound"),
    ("</devices>", "<graphics type='vnc'/></devices>", "graphics"),
    ("</devices>", "<interface type='direct'><source dev='lo' mode='bridge'/>"
     "</interface></devices>", "of type direct"),
    ("</devices>", "<interface type='vhostuser'><source type='unix' "
     "path='/run/x' mode='client'/><model type='virtio'/></interface>"
     "</devices>", "of type vhostuser"),
    ("</devices>", "<shmem name='x'><model type='ivshmem-plain'/>"
     "<size unit='M'>4</size></shmem></devices>", "shmem"),
    ("</devices>", "<disk type='file' device='floppy'><source file='/srv/x'/>"
     "<target dev='fda'/></disk></devices>", "floppy"),
    ("</devices>", "<video><model type='vga'/></video></devices>", "video"),
    ("</devices>", "<hostdev mode='subsystem' type='pci' managed='no'>"
     "<source><address domain='0' bus='0' slot='0x1f' function='7'/></source>"
     "</hostdev></devices>", "hostdev"),
    ("</devices>", "<filesystem type='mount'><source dir='/'/>"
     "<target dir='x'/></filesystem></devices>", "filesystem"),
    ("model='none'/>\n    <disk", "model='qemu-xhci'/>\n    <disk",
     "controller"),
    ("</domain>", "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/"
     "domain/qemu/1.0'><qemu:arg value='-S'/></qemu:commandline></domain>",
     "commandline"),
]


class Sandbox(unittest.TestCase):
    """Four guests in their sandboxes; the tests do not change them."""

    box: Box

    @classmethod
    def setUpClass(cls) -> None:
        cls.box = Box(BUILD)
        cls.box.__enter__() # pylint: disable=unnecessary-dunder-call
        cls.addClassCleanup(cls.box.__exit__)
        cls.box.hook(True)
        cls.box.boot(*WORKLOADS)

    # -- help

    def status_of(self, workload) -> dict[str, list[str]]:
        pid = self.box.process(workload)
        text = self.box.lab.run(["cat", f"/proc/{pid}/status"]).stdout
        return {line.split(":")[0]: line.split(":")[1].split()
                for line in text.splitlines() if ":" in line}

    def attempts(self, argv: list[str], victim) -> dict[str, str]:
        """What `escape` could do to the victim: "done" or "refused"."""
        done = self.box.lab.run([*argv, victim.home, victim.name,
                                 str(self.box.process(victim))])
        return {line.split()[0]: line.split()[1]
                for line in done.stdout.splitlines()}

    def as_user(self, uid: int, *argv: str) -> list[str]:
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}",
                "--clear-groups", *argv]

    def stat(self, path: str) -> str:
        return self.box.lab.run(["stat", "-c", "%u %g %a", path]).stdout

    def accounts(self) -> tuple[str, str]:
        """passwd and group as the lab has them."""
        passwd, group = (self.box.path(name).read_text() for name in ACCOUNTS)
        return passwd, group

    def ask(self, kind: str) -> str:
        """What libvirtd would be told by the hook; "": it may start."""
        xml = re.sub("^<domain type='[a-z]+'>", f"<domain type='{kind}'>",
                     OURS.xml(self.box.lab, self.box.emulator))
        done = self.box.lab.run([f"{self.box.bin}/cloison-hook", OURS.name,
                                 "prepare", "begin", "-"], input=xml,
                                check=False)
        self.assertEqual(done.returncode != 0, done.stderr != "")
        return done.stderr

    # -- the claims

    def test_users(self) -> None:
        """The daemon says who is needed, systemd-sysusers makes them."""
        file = self.box.path(USERS)
        self.assertEqual((file.stat().st_uid, file.stat().st_mode & 0o7777),
                         (0, 0o644))
        passwd, group = self.accounts()
        members = re.search(r"(?m)^kvm:[^:]*:\d+:(.*)$", group)[1].split(",")
        for workload in WORKLOADS:
            name = f"cloison{workload.uid}"
            self.assertIn(f'u {name} {workload.uid} "{workload.tenant}/'
                          f'{workload.environment}" - -\nm {name} kvm\n',
                          file.read_text())
            self.assertRegex(passwd, rf"(?m)^{name}:x:{workload.uid}:"
                             rf"{workload.uid}:.*nologin$")
            self.assertRegex(group, rf"(?m)^{name}:x:{workload.uid}:$")
            self.assertIn(name, members)

    def test_users_missing(self) -> None:
        """KVM needs them; and nobody else has their number."""
        passwd, _ = self.accounts()
        name = f"cloison{OURS.uid}"
        self.assertEqual((self.ask("kvm"), self.ask("qemu")), ("", ""))
        try:
            self.box.pretend("/etc/passwd", re.sub(
                f"(?m)^{name}:.*\n", "", passwd))
            self.assertIn(f"user {name}: is not in /etc/passwd",
                          self.ask("kvm"))
            self.assertEqual(self.ask("qemu"), "")
            self.box.pretend("/etc/passwd", passwd
                             + f"mallory:x:{OURS.uid}:100::/:/bin/sh\n")
            for kind in "kvm", "qemu":
                self.assertIn(f"user mallory: has the uid {OURS.uid}",
                              self.ask(kind))
        finally:
            self.box.pretend("/etc/passwd", passwd)
        self.assertEqual(self.ask("kvm"), "")

    def test_process(self) -> None:
        kvm = re.search(r"(?m)^kvm:[^:]*:(\d+):", self.accounts()[1])[1]
        for workload in WORKLOADS:
            status = self.status_of(workload)
            uid = [str(workload.uid)] * 4
            self.assertEqual(status["Uid"], uid)
            self.assertEqual(status["Gid"], uid)
            self.assertLessEqual(set(status["Groups"]), {uid[0], kvm})
            self.assertEqual(status["NoNewPrivs"], ["1"])
            self.assertEqual(status["CapEff"], ["0" * 16])
            # the wrapper's three and QEMU's own
            self.assertGreaterEqual(int(status["Seccomp_filters"][0]), 4)
            pid = self.box.process(workload)
            groups = self.box.lab.run(["cat", f"/proc/{pid}/cgroup"]).stdout
            scope = f"cloison-{workload.tenant}-{workload.environment}"
            self.assertRegex(groups, rf"memory:/machine/{scope}\.partition/"
                             if "memory:" in groups else
                             rf"/machine/{scope}\.partition/")

    def test_escape_as_the_user(self) -> None:
        for victim in OTHER, OTHER_ENVIRONMENT:
            seen = self.attempts(self.as_user(
                OURS.uid, f"{self.box.bin}/escape"), victim)
            self.assertEqual({name for name in BY_USER
                              if seen[name] != "refused"}, set())

    def test_escape_from_the_wrapper(self) -> None:
        for victim in OTHER, OTHER_ENVIRONMENT:
            seen = self.attempts(self.as_user(
                OURS.uid, f"{self.box.bin}/cloison-qemu-escape", "-uuid",
                OURS.uuid), victim)
            self.assertGreater(len(seen), 30)
            self.assertEqual({name for name, result in seen.items()
                              if result != "refused"}, set())

    def test_escape_works_without(self) -> None:
        """One user for all and no wrapper; and, for what the kernel keeps
        from every user, root."""
        user = self.box.lab.run(["id", "-u", "libvirt-qemu"]).stdout.strip()
        xml = OTHER.xml(self.box.lab, QEMU)
        xml = re.sub(r"<seclabel.*</seclabel>", "", xml)
        self.box.destroy(OTHER.name)
        self.box.hook(False)
        try:
            # its parents let nobody through, which stock libvirt has not
            self.box.lab.run(["sh", "-c", f"chmod 755 {OTHER.home}; chown "
                              f"{user} {OTHER.home}/vars.fd "
                              f"{OTHER.home}/master-key.aes"])
            self.box.create(xml)
            with OTHER.guest(self.box.lab) as guest:
                guest.wait(120)
            seen = self.attempts(self.as_user(
                int(user), f"{self.box.bin}/escape"), OTHER)
            self.assertEqual({name for name in STOCK
                              if seen[name] != "done"}, set())
            root = self.attempts([f"{self.box.bin}/escape"], OTHER)
            self.assertEqual({name for name, result in root.items()
                              if result != "done" and name not in STOCK},
                             set())
            self.box.destroy(OTHER.name)
        finally:
            self.box.hook(True)
            self.box.lab.run(["sh", "-c", f"chmod 710 {OTHER.home}; chown "
                              f"{OTHER.uid}:{OTHER.uid} {OTHER.home}/*"])
        self.box.boot(OTHER)

    def test_deny_list(self) -> None:
        """The fallback holds against the same attempts."""
        documents = policy(self.box.lab.bridge)
        documents[0]["sandbox"]["systemCalls"] = "deny-list"
        self.box.apply(documents)
        try:
            self.box.destroy(OTHER.name)
            self.box.boot(OTHER)
            self.assertEqual(self.status_of(OTHER)["Seccomp_filters"], ["3"])
            seen = self.attempts(self.as_user(
                OTHER.uid, f"{self.box.bin}/cloison-qemu-escape", "-uuid",
                OTHER.uuid), OURS)
            self.assertEqual({name for name, result in seen.items()
                              if result != "refused"}, set())
        finally:
            self.box.apply(policy(self.box.lab.bridge))
        self.box.destroy(OTHER.name)
        self.box.boot(OTHER)

    def test_own_disk(self) -> None:
        with OURS.guest(self.box.lab) as guest:
            self.assertEqual(guest.sh(
                "echo cloison | dd of=/dev/vda bs=512 conv=sync,fsync 2>&1 "
                ">/dev/null | grep -c 'records out'; "
                "dd if=/dev/vda bs=7 count=1 2>/dev/null").split(),
                ["1", "cloison"])

    def hot_plug(self, workload, path: str, *options: str):
        return self.box.lab.run(
            ["virsh", "-q", "attach-disk", workload.name, path, "vdb",
             "--subdriver", "raw", *options], check=False)

    def test_hot_plug(self) -> None:
        """libvirt gives a foreign disk to whoever attaches it."""
        own, foreign = f"{OURS.home}/spare", f"{OTHER.home}/spare"
        for path, uid in (own, OURS.uid), (foreign, OTHER.uid):
            self.box.lab.run(["sh", "-c", f"truncate -s 1M {path}; "
                              f"chown {uid}:{uid} {path}; chmod 600 {path}"])
        for options in ([], ["--mode", "readonly"], ["--mode", "shareable"]):
            refused = self.hot_plug(OURS, foreign, *options)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("Permission denied", refused.stderr)
        self.assertEqual(self.hot_plug(OURS, own).returncode, 0)
        with OURS.guest(self.box.lab) as guest:
            self.box.lab.run(["virsh", "-q", "detach-disk", OURS.name, "vdb"])
            self.assertEqual(guest.sh("echo alive").strip(), "alive")

    def test_broken_profiles(self) -> None:
        """Refused with the reason, before a file has another owner."""
        spare = WORKLOADS[0]
        good = spare.xml(self.box.lab, self.box.emulator)
        self.box.destroy(spare.name)
        files = (OURS.disk, OTHER.disk, OTHER_ENVIRONMENT.disk)
        before = [self.stat(path) for path in files]
        for old, new, reason in BROKEN:
            with self.subTest(f"{old} -> {new}"):
                self.assertIn(old, good)
                done = self.box.create(good.replace(old, new, 1), check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("cloison: domain", done.stderr)
                self.assertIn(reason, done.stderr)
                self.assertEqual([self.stat(path) for path in files], before)
        self.box.boot(spare)

    def define(self, *options: str, check: bool = True):
        how = ["--emulated"] if self.box.lab.accelerator == "qemu" else []
        return self.box.node.cli("define", OTHER.name, "--memory", "96",
                                 "--vcpus", "1", *how, *options, check=check)

    def test_define(self) -> None:
        """From the policy alone: libvirt takes it, and its sandbox holds."""
        virsh = ["virsh", "-q"]
        made = self.define("--kernel", "vmlinuz", "--initrd", "initrd",
                           "--cmdline", "console=ttyS0 quiet panic=-1",
                           "--console", f"{OTHER.name}.console").stdout
        self.assertIn(f"'{OTHER.disk}'", made)
        least = self.define().stdout
        self.assertIn(f"'{OTHER.home}/console.sock'", least)
        self.box.destroy(OTHER.name)
        try:
            for xml in made, least:
                self.box.lab.run([*virsh, "define", "--validate",
                                  "/dev/stdin"], input=xml)
                self.box.lab.run([*virsh, "start", OTHER.name])
                status = self.status_of(OTHER)
                self.assertEqual(status["Uid"], [str(OTHER.uid)] * 4)
                self.assertEqual(status["CapEff"], ["0" * 16])
                self.box.destroy(OTHER.name)
                self.box.lab.run([*virsh, "undefine", OTHER.name])
            # what define would not print, the hook would not let start
            refused = self.define("--disk", OURS.disk, check=False)
            self.assertEqual((refused.returncode, refused.stdout), (3, ""))
            self.assertEqual(refused.stderr.splitlines(), [
                f"domain/devices/disk: {OURS.disk} is not below "
                f"{OTHER.home}: move it there"])
            done = self.box.create(made.replace(OTHER.disk, OURS.disk),
                                   check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"{OURS.disk} is not below", done.stderr)
        finally:
            for action in "destroy", "undefine":
                self.box.lab.run([*virsh, action, OTHER.name], check=False)
            self.box.boot(OTHER)

    def test_harden(self) -> None:
        """A stock domain becomes one that starts in its sandbox."""
        good = OTHER.xml(self.box.lab, self.box.emulator)
        stock = good.replace(self.box.emulator, QEMU)
        for tag in ("memoryBacking", "cputune", "memtune", "resource",
                    "seclabel"):
            stock = re.sub(rf"<{tag}.*</{tag}>", "", stock)
        stock = stock.replace(" dumpCore='off'", "").replace(
            "</devices>", "<sound model='ich9'/><serial type='pty'>"
            "<target port='2'/></serial></devices>")
        self.box.lab.path("stock.xml").write_text(stock)
        harden = self.box.node.command("harden", "/run/lab/stock.xml")
        shown = self.box.lab.run(harden)
        for line in ("-    <emulator>/usr/bin", "+  <memoryBacking>"):
            self.assertIn(line, shown.stdout)
        self.assertRegex(shown.stdout, r"(?m)^-.*<sound model='ich9'/>")
        self.assertNotEqual(self.box.create(stock, check=False).returncode, 0)
        fixed = self.box.lab.run([*harden, "--print"]).stdout
        self.box.destroy(OTHER.name)
        self.box.create(fixed)
        self.assertIn("<source path='/dev/pts/", self.box.lab.run(
            ["virsh", "dumpxml", OTHER.name]).stdout)
        with OTHER.guest(self.box.lab) as guest:
            guest.wait(120)
        self.box.lab.path("fixed.xml").write_text(fixed)
        self.assertEqual(self.box.node.cli(
            "harden", "/run/lab/fixed.xml").stdout, "")
        # what would lose data is left to the operator
        self.box.lab.path("lost.xml").write_text(
            good.replace(OTHER.disk, "/srv/elsewhere"))
        left = self.box.node.cli("harden", "/run/lab/lost.xml", check=False)
        self.assertEqual(left.returncode, 3)
        self.assertIn("/srv/elsewhere", left.stderr)

    def test_capabilities(self) -> None:
        """libvirt learns through the wrapper what QEMU can do."""
        told = self.box.lab.run(["virsh", "domcapabilities", "--emulatorbin",
                                 self.box.emulator, "--machine", "q35"]).stdout
        self.assertIn(f"<path>{self.box.emulator}</path>", told)
        self.assertIn("<machine>pc-q35-", told)
        self.assertIn("<value>virtio</value>", told)

    def test_no_sandbox_no_start(self) -> None:
        """The wrapper by itself: one clear line, status 126."""
        wrapper = f"{self.box.bin}/cloison-qemu"
        cases = [
            (OURS.uid, ["-uuid", OTHER.uuid], "Permission denied"),
            (OURS.uid, ["-uuid", "0" * 36], "no UUID"),
            (OURS.uid, ["-machine", "q35"], "no option -uuid"),
            (0, ["-uuid", OURS.uuid], "runs as 0:0"),
        ]
        for uid, argv, reason in cases:
            done = self.box.lab.run(self.as_user(uid, wrapper, *argv),
                                    check=False)
            self.assertEqual(done.returncode, 126)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertIn(reason, done.stderr)

    def test_without_the_daemon(self) -> None:
        """Nothing begins, and what runs goes on."""
        self.box.destroy(OTHER.name)
        self.box.node.end(9)
        try:
            done = self.box.create(
                OTHER.xml(self.box.lab, self.box.emulator), check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("cloisond cannot be asked", done.stderr)
            with OURS.guest(self.box.lab) as guest:
                self.assertEqual(guest.sh("echo alive").strip(), "alive")
        finally:
            self.box.node.start("--emulator", self.box.emulator)
        self.box.boot(OTHER)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
