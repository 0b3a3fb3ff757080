#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What libvirt makes of XML that was made or hardened by a profile.

usage: profile.py BUILD
"""

import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

# pylint: disable=wrong-import-position
from lab import Lab, image

BUILD = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/release"
TOOL = BUILD / "tests/e2e/profile/profile_xml"
NAME = "acme-web-1"
HOME = "/run/lab/tenants/acme/production/web-1"
BASE = "/run/lab/bases/base"
UID = 64001
STOCK = (ROOT / "tests/data/xml/stock.xml").read_text()
DISK = "/var/lib/libvirt/images/acme-web-1.qcow2"
# Keeps what libvirt says to its hook.
HOOK = """\
#!/bin/sh
cat >/run/lab/said-$2
"""


def tool(*argv: str, xml: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([TOOL, *argv], input=xml, text=True, check=False,
                          capture_output=True)


class Profile(unittest.TestCase):
    """One libvirtd for all."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = Lab(sandbox=True)
        cls.lab.__enter__() # pylint: disable=unnecessary-dunder-call
        try:
            cls.furnish()
        except BaseException:
            cls.lab.stop()
            raise
        cls.addClassCleanup(cls.lab.stop)

    @classmethod
    def furnish(cls) -> None:
        lab = cls.lab
        os.chmod(lab.path(""), 0o711)
        home = Path(lab.root + HOME)
        home.mkdir(parents=True)
        lab.path("bases").mkdir()
        Path(lab.root + BASE).write_bytes(bytes(1 << 20))
        shutil.copy(image.kernel(), home / "vmlinuz")
        shutil.copy(lab.path("initrd"), home / "initrd")
        lab.run(["qemu-img", "create", "-q", "-f", "qcow2",
                 f"{HOME}/disk.qcow2", "16M"])
        for path in (home, *home.iterdir()):
            os.chown(path, UID, UID)
        lab.path("hook").write_text(HOOK)
        lab.path("hook").chmod(0o755)

    def tearDown(self) -> None:
        for action in (["destroy"], ["undefine", "--nvram"]):
            self.lab.run(["virsh", "-q", *action, NAME], check=False)

    def virsh(self, *argv: str, **options) -> str:
        return self.lab.run(["virsh", "-q", *argv], **options).stdout

    def assert_clean(self, xml: str) -> None:
        done = tool("check", xml=xml)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def assert_runs(self, xml: str) -> None:
        """libvirt's schema takes it, it starts, and stays what it was."""
        self.virsh("define", "--validate", "/dev/stdin", input=xml)
        self.assert_clean(self.virsh("dumpxml", "--inactive", NAME))
        self.virsh("start", NAME)
        for said in ("prepare", "start", "started"):
            self.assert_clean(self.lab.path(f"said-{said}").read_text())
        self.assert_clean(self.virsh("dumpxml", NAME))
        self.assertEqual(self.virsh("domstate", NAME).strip(), "running")
        pid = Path(f"{self.lab.root}/run/libvirt/qemu/{NAME}.pid").read_text()
        status = self.lab.run(["cat", f"/proc/{pid}/status"]).stdout
        self.assertIn(f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}", status)
        base = os.stat(self.lab.root + BASE)
        self.assertEqual(base.st_uid, 0)

    def test_defined(self) -> None:
        done = tool("define", self.lab.accelerator)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assert_runs(done.stdout)

    def test_hardened(self) -> None:
        """A stock guest: all is repaired but where its disk is."""
        stock = STOCK.replace("type='kvm'", f"type='{self.lab.accelerator}'")
        if self.lab.accelerator == "qemu":
            stock = stock.replace(
                "<cpu mode='host-passthrough' check='none' migratable='on'/>",
                "<cpu mode='custom'><model>qemu64</model></cpu>")
        done = tool("harden", xml=stock)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn(f"{DISK} is not below {HOME}", done.stderr)
        # memory of a lab's size
        moved = done.stdout.replace(DISK, f"{HOME}/disk.qcow2")
        moved = moved.replace(">2097152<", ">98304<")
        self.assert_runs(moved)

    def test_not_hardened(self) -> None:
        """What libvirt adds to a guest that says little is seen."""
        done = tool("define", self.lab.accelerator)
        for good, where in (
                ("<memballoon model='none'/>", "domain/devices/memballoon"),
                ("<controller type='usb' model='none'/>",
                 "domain/devices/controller")):
            self.assertIn(good, done.stdout)
            self.virsh("define", "/dev/stdin",
                       input=done.stdout.replace(good, ""))
            seen = tool("check", xml=self.virsh("dumpxml", NAME))
            self.assertEqual(seen.returncode, 1)
            self.assertEqual([line.split(": ")[0] for line in
                              seen.stderr.splitlines()], [where])
            self.virsh("undefine", NAME)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
