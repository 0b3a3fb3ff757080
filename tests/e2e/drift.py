#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a sandbox has lost is found within a period, by name, and answered.

usage: drift.py BUILD
"""

import json
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
from boxed import (BASES, CPUS, NO_SWAPS, ROOT, SWAPS, WORKLOADS, Box,
                   policy)

BUILD = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/release"
OURS, TEST, OTHER, _ = WORKLOADS
QEMU = "/usr/bin/qemu-system-x86_64"
SECONDS = 60.0
PERIODS = 3 # and what an audit itself takes on a busy machine


class Drift(unittest.TestCase):
    """Each test spoils one thing, sees it found, and puts it right again."""

    box: Box

    @classmethod
    def setUpClass(cls) -> None:
        cls.box = Box(BUILD)
        cls.box.__enter__() # pylint: disable=unnecessary-dunder-call
        cls.addClassCleanup(cls.box.__exit__)
        cls.box.hook(True)
        cls.box.boot(OURS, OTHER)

    # -- help

    def sh(self, script: str) -> str:
        return self.box.lab.run(["sh", "-c", script]).stdout

    def last(self) -> int:
        rows = self.box.node.statements()
        return rows[-1].number if rows else 0

    def found(self, control: str, *words: str, after: int = -1) -> None:
        """A FAILED statement that names it, soon; `after` a number."""
        after = self.last() if after < 0 else after
        begin = time.monotonic()
        while time.monotonic() < begin + SECONDS:
            for statement in self.box.node.statements(after):
                for entry in statement.predicate()["controls"]:
                    if entry["id"] == control and entry["result"] == "FAIL" \
                            and all(w in entry["detail"] for w in words):
                        self.assertEqual(statement.verdict, "FAILED")
                        return
            time.sleep(0.1)
        raise AssertionError(f"not found: {control} {words}: " + json.dumps(
            [(e["id"], e["detail"]) for e in
             self.box.node.statements()[-1].predicate()["controls"]
             if e["result"] == "FAIL"]))

    def whole(self) -> None:
        """All is well again."""
        self.box.node.await_statement("PASSED", self.last(), SECONDS)

    # -- the claims

    def test_clean(self) -> None:
        self.whole()
        controls = {e["id"]: e for e in self.box.node.statements()[-1]
                    .predicate()["controls"]}
        for control in ("sbx.guest-confinement", "sbx.device-surface",
                        "sbx.shared-resources", "sto.no-shared-residual",
                        "env.no-shared-data"):
            self.assertEqual(controls[control]["result"], "PASS")
            self.assertEqual(controls[control]["evidence"][
                "domainsLookedAt"], 2)
        tags = controls["sbx.guest-confinement"]["evidence"]["kernelTags"]
        self.assertTrue(tags["enforced"] or "refuses" in tags["why"])

    def test_owner(self) -> None:
        self.sh(f"chown {OTHER.uid} {OURS.disk}")
        self.found("sto.no-shared-residual", OURS.disk, f"{OTHER.uid}:")
        self.sh(f"chown {OURS.uid} {OURS.disk}")
        self.whole()

    def test_mode(self) -> None:
        self.sh(f"chmod 0644 {OURS.disk}")
        self.found("sto.no-shared-residual", OURS.disk, "0644")
        self.sh(f"chmod 0600 {OURS.disk}")
        self.whole()

    def test_shared_user(self) -> None:
        passwd = self.box.path("/etc/passwd").read_text()
        self.box.pretend("/etc/passwd", passwd
                         + f"mallory:x:{OURS.uid}:100::/:/bin/sh\n")
        self.found("sbx.guest-confinement", "user mallory",
                   f"has the uid {OURS.uid}")
        self.box.pretend("/etc/passwd", passwd)
        self.whole()

    def test_hard_link(self) -> None:
        self.sh(f"ln {OURS.disk} /run/lab/tenants/link")
        self.found("sto.no-shared-residual", OURS.disk, "2 names")
        self.sh("rm /run/lab/tenants/link")
        self.whole()

    def test_symbolic_link(self) -> None:
        self.sh(f"mv {OURS.disk} {OURS.home}/d && ln -s d {OURS.disk}")
        self.found("sto.no-shared-residual", OURS.disk, "symbolic link")
        self.sh(f"rm {OURS.disk} && mv {OURS.home}/d {OURS.disk}")
        self.whole()

    def test_cgroup(self) -> None:
        pid = self.box.process(OURS)
        where = self.sh(f"cat /proc/{pid}/cgroup").splitlines()
        groups = {line.split(":")[1]: line.split(":")[2] for line in where}
        moved = [name for name in ("memory", "cpu") if name in groups]
        roots = {name: f"/sys/fs/cgroup/{name}" for name in moved} or {
            "": "/sys/fs/cgroup"}
        for root in roots.values():
            self.sh(f"echo {pid} >{root}/cgroup.procs")
        self.found("sbx.shared-resources", f"process {pid}", "cgroup")
        for name, root in roots.items():
            self.sh(f"echo {pid} >{root}{groups[name]}/cgroup.procs")
        self.whole()

    def test_merging(self) -> None:
        run = "/sys/kernel/mm/ksm/run"
        if not self.box.path(run).exists():
            self.skipTest("this kernel cannot merge pages")
        before = self.sh(f"cat {run}").strip()
        try:
            self.sh(f"echo 1 >{run}")
            self.found("sbx.shared-resources", "KSM")
        finally:
            self.sh(f"echo {before} >{run}")
        self.whole()

    def test_swap(self) -> None:
        """A machine's own areas stay as they are: the lab reads of one."""
        self.box.pretend(SWAPS, NO_SWAPS + "/swapfile file 1048572 0 -2\n")
        self.found("sbx.shared-resources", OURS.name,
                   "may be swapped to /swapfile", "swapoff", "1 more")
        self.box.pretend(SWAPS, NO_SWAPS)
        self.whole()

    def test_threads(self) -> None:
        """The node names both domains, a tenant reads of its own."""
        active = f"{CPUS}/smt/active"
        siblings = f"{CPUS}/cpu0/topology/thread_siblings_list"
        if not self.box.path(active).exists() or \
                not self.box.path(f"{CPUS}/cpu1").exists():
            self.skipTest("this machine has one CPU, or no word for SMT")
        after = self.last()
        self.box.pretend(siblings, "0-1\n")
        self.box.pretend(active, "1\n")
        self.found("sbx.shared-resources", OURS.name, OTHER.name, "SMT off",
                   after=after)
        own = self.box.node.await_statement(
            "FAILED", after, SECONDS, f"{OURS.tenant}/{OURS.environment}")
        self.box.pretend(active, "0\n")
        self.whole()
        text = json.dumps(own.predicate())
        self.assertIn("of another tenant or environment", text)
        self.assertNotIn(OTHER.tenant, text)

    def test_guard(self) -> None:
        tap = self.box.lab.tap(OURS.name)
        index = self.box.lab.ifindex(tap)
        after = self.last()
        self.sh(f"rm /sys/fs/bpf/cloison/link/{index}/from_guest")
        failed = self.box.node.await_statement("FAILED", after, SECONDS)
        self.assertIn(tap, json.dumps(failed.predicate()["controls"]))
        self.whole()

    def without_the_wrapper(self) -> None:
        """As somebody who goes around the hook would start it."""
        self.box.hook(False)
        self.box.destroy(OTHER.name)
        self.box.create(OTHER.xml(self.box.lab, QEMU))
        self.box.hook(True)

    def as_it_should_be(self) -> None:
        self.box.destroy(OTHER.name)
        self.box.boot(OTHER)
        self.whole()

    def test_wrapper(self) -> None:
        """Adopted as it is, guarded at once, reported as what it is."""
        self.without_the_wrapper()
        pid = self.box.process(OTHER)
        self.found("sbx.guest-confinement", OTHER.name, "and ", "more")
        shown = json.dumps(self.box.node.statements()[-1].predicate())
        log = self.box.node.log()
        self.assertIn(f"process {pid}: has 1 seccomp filters", log)
        self.assertIn("which confines QEMU", log)
        self.assertIn(OTHER.name, shown)
        tap = self.box.lab.tap(OTHER.name)
        known = self.box.node.ask("endpoints")["endpoints"]
        self.assertTrue(any(e["interface"] == tap and e["guarded"]
                            for e in known))
        self.as_it_should_be()

    def test_backing_file(self) -> None:
        """A test disk that is built on a production image: the classic."""
        self.sh(f"qemu-img create -q -f qcow2 -F qcow2 -b {OURS.disk} "
                f"{TEST.disk} && chmod 600 {TEST.disk} && "
                f"chown {TEST.uid}:{TEST.uid} {TEST.disk}")
        refused = self.box.create(
            TEST.xml(self.box.lab, self.box.emulator), check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(f"cloison: domain {TEST.name}: {OURS.disk}: is neither "
                      f"below {TEST.home} nor a base", refused.stderr)
        # raw by its declaration, and written like qcow2 by its guest
        xml = TEST.xml(self.box.lab, self.box.emulator).replace(
            "name='qemu' type='qcow2'", "name='qemu' type='raw'")
        refused = self.box.create(xml, check=False)
        self.assertIn("declared raw and begins like qcow2", refused.stderr)
        for backing in (f"json:{{\"driver\":\"file\",\"filename\":"
                        f"\"{OURS.disk}\"}}", "nbd://127.0.0.1/x"):
            self.sh(f"qemu-img create -q -u -f qcow2 -F raw -b '{backing}' "
                    f"{TEST.disk} 16M && chmod 600 {TEST.disk}")
            refused = self.box.create(
                TEST.xml(self.box.lab, self.box.emulator), check=False)
            self.assertIn("no local file", refused.stderr)
        # a base is what it may be built on
        self.sh(f"qemu-img create -q -f raw {BASES}/raw 16M; chmod 644 "
                f"{BASES}/raw; qemu-img create -q -f qcow2 -F raw -b "
                f"{BASES}/raw {TEST.disk}; chmod 600 {TEST.disk}; "
                f"chown {TEST.uid}:{TEST.uid} {TEST.disk}")
        refused = self.box.create(
            TEST.xml(self.box.lab, self.box.emulator), check=False)
        self.assertIn("name it in <backingStore>", refused.stderr)
        self.box.boot(TEST, backing=f"{BASES}/raw")
        self.assertEqual(self.sh(f"stat -c %u {BASES}/raw").strip(), "0")
        self.box.destroy(TEST.name)

    def with_response(self, **responses: str) -> None:
        documents = policy(self.box.lab.bridge)
        documents[0]["sandbox"].update(responses)
        self.box.apply(documents)

    def test_repair(self) -> None:
        self.with_response(response="repair")
        try:
            self.whole()
            after = self.last()
            self.sh(f"chmod 0666 {OURS.disk}; chown 0:0 {OURS.disk}; "
                    f"chmod 0777 {OURS.home}")
            # repaired by the same audit
            self.found("sto.no-shared-residual", OURS.home, "0777",
                       after=after)
            self.whole()
            self.assertEqual(
                self.sh(f"stat -c '%u:%g %a' {OURS.disk} {OURS.home}").split(),
                [f"{OURS.uid}:{OURS.uid}", "600", f"0:{OURS.uid}", "710"])
        finally:
            self.with_response()

    def test_quarantine(self) -> None:
        """Of that workload alone, until it runs anew."""
        self.with_response(responses={"sto.no-shared-residual": "quarantine"})
        try:
            self.sh(f"chmod 0644 {OTHER.disk}")
            self.found("sto.no-shared-residual", OTHER.disk, "0644")
            deadline = time.monotonic() + SECONDS
            def mode(workload) -> str:
                return next(e["mode"] for e in
                            self.box.node.ask("endpoints")["endpoints"]
                            if e["name"].endswith(f"/{workload.name}/0"))
            while mode(OTHER) != "quarantine":
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
            self.assertEqual(mode(OURS), "enforce")
            self.sh(f"chmod 0600 {OTHER.disk}")
            self.whole()
            self.assertEqual(mode(OTHER), "quarantine")
            self.as_it_should_be()
            self.assertEqual(mode(OTHER), "enforce")
        finally:
            self.with_response()

    def state(self, workload) -> str:
        return self.sh(f"virsh -q domstate {workload.name}").strip()

    def await_state(self, workload, state: str) -> None:
        deadline = time.monotonic() + SECONDS
        while self.state(workload) != state:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_suspend(self) -> None:
        """Paused for as long as it is found, whoever resumes it meanwhile."""
        self.with_response(responses={"sto.no-shared-residual": "suspend"})
        try:
            after = self.last()
            # what no repair takes away
            self.sh(f"ln {OTHER.disk} /run/lab/tenants/link")
            self.found("sto.no-shared-residual", OTHER.disk, "2 names",
                       "response: suspend", after=after)
            own = self.box.node.await_statement(
                "FAILED", after, SECONDS,
                f"{OTHER.tenant}/{OTHER.environment}")
            self.assertIn("response: suspend", json.dumps(own.predicate()))
            self.await_state(OTHER, "paused")
            self.assertEqual(self.state(OURS), "running")
            self.sh(f"virsh -q resume {OTHER.name}")
            self.await_state(OTHER, "paused")
            self.assertIn(f"suspended domain={OTHER.uuid}",
                          self.box.node.log())
            self.sh("rm /run/lab/tenants/link")
            self.whole()
            self.whole() # nobody resumes it by itself
            self.assertEqual(self.state(OTHER), "paused")
            self.sh(f"virsh -q resume {OTHER.name}")
            self.whole()
            self.assertEqual(self.state(OTHER), "running")
            self.as_it_should_be()
        finally:
            self.with_response()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
