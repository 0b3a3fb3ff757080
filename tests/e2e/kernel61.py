#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The floor: on the Linux 6.1 that Debian 12 ships the guards load and hold.

That kernel has no TCX, so what is shown here goes by clsact.

usage: kernel61.py BUILD [--smp N] TEST...
TEST: bpf/NAME or e2e/NAME of this tree; :WORD... behind it are its arguments
N: processors, one unless told
"""

import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import vm
from lab import image

E2E = Path(__file__).resolve().parent
SECONDS = 840 # everything is emulated, and the machine may be busy


def command(build, test):
    test, *arguments = test.split(":")
    kind, name = test.split("/")
    if kind == "bpf":
        return [f"{build}/tests/test_bpf_{name}"]
    return ["/usr/bin/python3", f"{E2E}/{name}.py", build, *arguments]


def main(build, *tests):
    if os.geteuid() != 0 or not (vm.NODE / "release").exists():
        print("skipped: needs root, and the node kernel of scripts/install-deps")
        sys.exit(77)
    release = image.release(vm.NODE)
    if not release.startswith("6.1."):
        raise AssertionError(f"not the floor: {release}")

    processors = 1
    if tests[0] == "--smp":
        processors, tests = int(tests[1]), tests[2:]
    status = vm.run([command(build, test) for test in tests], E2E, SECONDS,
                    processors)
    if status != 0: # also 77: nothing may be skipped there
        raise AssertionError(f"the last command failed: {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
