#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""BPF LSM tags with a real libvirtd and QEMU: root in a tenant's cgroup reaches
nothing of another's, with the daemon and without; libvirt goes on working.

Needs a kernel that takes BPF LSM programs.
usage: tags.py BUILD
"""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
from boxed import ROOT, WORKLOADS, Box, policy
from lab.node import PINS

BUILD = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/release"
OURS, _, OTHER, _ = WORKLOADS
CONTROL = "sbx.guest-confinement"
GROUP = (f"/sys/fs/cgroup/machine/cloison-{OURS.tenant}-{OURS.environment}"
         ".partition/intruder")
SECONDS = 120 # the machine itself may be emulated
# What concerns nobody but the one who does it.
OWN = {"socket-datagram", "socketpair-datagram", "socket-any", "io-uring",
       "userfaultfd", "keyctl", "exec-shell", "become-shell"}


class Tags(unittest.TestCase):
    """Two guests of two tenants."""

    box: Box

    @classmethod
    def setUpClass(cls) -> None:
        cls.box = Box(BUILD)
        cls.box.__enter__() # pylint: disable=unnecessary-dunder-call
        cls.addClassCleanup(cls.box.__exit__)
        cls.addClassCleanup(cls.remove)
        cls.box.hook(True)
        for workload in OURS, OTHER:
            cls.box.create(workload.xml(cls.box.lab, cls.box.emulator))

    @classmethod
    def remove(cls) -> None:
        """Linux before 6.9 deadlocks where the last process of a pid namespace
        takes the last of a BPF LSM link with it: its RCU tasks wait for the
        process 1 that waits for it. So they go before the lab does."""
        cls.box.node.end()
        cls.box.lab.run([f"{cls.box.bin}/cloisond", "--pin-dir", PINS,
                         "--remove"])
        left = cls.box.lab.run(["ls", "-A", PINS], check=False).stdout
        if left:
            raise AssertionError(f"not removed: {left}")

    def escape(self, inside: bool) -> dict[str, str]:
        """As root: what it did to the other guest."""
        script = (f"mkdir -p {GROUP} && echo $$ >{GROUP}/cgroup.procs && "
                  if inside else "")
        done = self.box.lab.run(["sh", "-c", script + 'exec "$@"', "sh",
                                 f"{self.box.bin}/escape", OTHER.home,
                                 OTHER.name, str(self.box.process(OTHER))])
        return {line.split()[0]: line.split()[1]
                for line in done.stdout.splitlines()}

    def assert_contained(self) -> None:
        self.assertEqual({name for name, result in self.escape(True).items()
                          if result != "refused"}, OWN)

    def last(self) -> int:
        rows = self.box.node.statements()
        return rows[-1].number if rows else 0

    def whole(self):
        return self.box.node.await_statement("PASSED", self.last(), SECONDS)

    def control(self, statement) -> dict:
        found, = (c for c in statement.predicate()["controls"]
                  if c["id"] == CONTROL)
        return found

    # -- the claims, each on the guests that the others leave

    def test_root_in_the_cgroup(self) -> None:
        """Also while there is no daemon."""
        self.assertEqual(set(self.escape(False).values()), {"done"})
        self.assert_contained()
        self.box.node.end(9)
        try:
            self.assert_contained()
        finally:
            self.box.node.start("--emulator", self.box.emulator)
        self.assert_contained()

    def test_attested(self) -> None:
        control = self.control(self.whole())
        self.assertEqual(control["result"], "PASS")
        self.assertIs(control["evidence"]["kernelTags"]["enforced"], True)

    def test_lost_pin(self) -> None:
        """Told by name, and pinned again."""
        after = self.last()
        self.box.lab.run(["rm", f"{PINS}/tag/file_open"])
        told = self.box.node.await_statement("FAILED", after, SECONDS)
        self.assertIn("not pinned any more: file_open",
                      self.control(told)["detail"])
        self.whole()
        self.box.lab.run(["ls", f"{PINS}/tag/file_open"])

    def test_hot_plug(self) -> None:
        """libvirt and QEMU have what they need."""
        path = f"{OURS.home}/spare"
        self.box.lab.run(["sh", "-c", f"truncate -s 1M {path}; "
                          f"chown {OURS.uid}:{OURS.uid} {path}; "
                          f"chmod 600 {path}"])
        self.box.lab.run(
            ["virsh", "-q", "attach-device", OURS.name, "/dev/stdin"],
            input=f"""<disk type='file'><driver name='qemu' type='raw'/>
            <source file='{path}'/><target dev='vdb' bus='virtio'/>
            <iotune><total_iops_sec>1000</total_iops_sec></iotune></disk>""")
        self.box.lab.run(["virsh", "-q", "domblkinfo", OURS.name, "vdb"])
        self.whole()

    def test_save(self) -> None:
        """A guest's memory goes into no file that its policy does not name."""
        save = ["virsh", "-q", "save", OURS.name, "/run/lab/saved"]
        refused = self.box.lab.run(save, check=False)
        self.assertNotEqual(refused.returncode, 0, refused.stdout)
        documents = policy(self.box.lab.bridge)
        for document in documents:
            if document["name"] == OURS.tenant:
                document["environments"][OURS.environment]["permits"] = [
                    "save"]
        self.box.apply(documents)
        self.box.lab.run(save)
        self.box.lab.run(["virsh", "-q", "restore", "/run/lab/saved"])
        self.box.apply(policy(self.box.lab.bridge))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
