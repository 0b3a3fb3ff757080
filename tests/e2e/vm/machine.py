# SPDX-License-Identifier: Apache-2.0
"""One QEMU machine (TCG) that boots Debian's kernel over this machine's root.

It sees the root file system through 9p, read-only; what it writes goes to a
tmpfs of its own and dies with it. It has no network.
"""

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

# pylint: disable=wrong-import-position
from lab import image

NODE = Path("/var/cache/cloison/node")
HERE = Path(__file__).parent
MODULES = ("virtio_pci", "virtio_rng", "9p", "9pnet_virtio", "overlay", "veth",
           "bridge", "tun", "sch_ingress", "cls_bpf", "8021q", "vxlan",
           "nf_tables", "nft_meta_bridge")
MEMORY = 2048 # MiB
# What the kernel or the C library would use because it is quick on a processor
# and which emulation does byte by byte, at each entry or one level deeper.
SLOW = ("avx", "avx2", "erms", "la57", "pku", "smap")
# Nothing of what is tested: what Debian's defaults cost an emulated machine.
# no_timer_check: on a busy machine an emulated timer is late, which the kernel
# takes for a broken one. tsc=reliable: the same of two processors' clocks,
# behind which it would ask the HPET, a device.
CMDLINE = ("console=ttyS0 panic=-1 quiet no_timer_check tsc=reliable "
           "lsm=landlock,bpf mitigations=off init_on_alloc=0 "
           "rcupdate.rcu_expedited=1")


def script(commands: Sequence[Sequence[str]], directory: Path) -> str:
    lines = ["set -e", f"cd {shlex.quote(str(directory))}"]
    for command in commands:
        text = shlex.join(command)
        lines += ["cut -d ' ' -f 1 /proc/uptime",
                  f"echo {shlex.quote(text)}", text]
    return "".join(f"{line}\n" for line in lines)


def initramfs(commands: str) -> bytes:
    mounts = [(name, 0o040755, b"") for name in ("lower", "upper", "root")]
    return image.archive([
        *mounts,
        ("init", 0o100755, (HERE / "init").read_bytes()),
        ("command", 0o100644, commands.encode()),
        *image.module_members(MODULES, NODE)])


def qemu(home: Path, processors: int) -> list[str]:
    """Ends with this process, however that ends."""
    cpu = ",".join(["max", *(f"{name}=off" for name in SLOW)])
    return ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64",
            "-name", "cloison-test-node", "-machine", "q35",
            "-accel", "tcg,thread=multi", "-cpu", cpu,
            "-smp", str(processors), "-m", str(MEMORY), "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot",
            "-device", "virtio-rng-pci",
            "-virtfs", "local,path=/,mount_tag=root,security_model=none,"
            "readonly=on,multidevs=remap",
            "-serial", f"file:{home}/console", "-serial", "stdio",
            "-serial", f"file:{home}/status",
            "-kernel", str(image.kernel(NODE)), "-initrd", f"{home}/initrd",
            "-append", CMDLINE]


def run(commands: Sequence[Sequence[str]], directory: Path,
        seconds: float, processors: int = 1) -> int:
    """Run them in turn; what they print goes to stdout.

    Of several processors each waits for the others at every interrupt from one
    to another, which takes long where the host has not a core for each.

    Returns the status of the first that fails, 0 if none does.

    The console is shown of a machine that did not end well: that did not boot,
    died, was still running when its time was over, or of a command that failed.
    """
    with tempfile.TemporaryDirectory(prefix="cloison-node-") as name:
        home = Path(name)
        (home / "initrd").write_bytes(
            initramfs(script(commands, directory)))
        started = time.monotonic()
        with subprocess.Popen(qemu(home, processors),
                              stdin=subprocess.DEVNULL) as process:
            try:
                process.wait(seconds)
                over = True
            except subprocess.TimeoutExpired:
                print(f"node: not over after {seconds:.0f} s")
                over = False
            finally:
                process.kill() # by pid; nothing if it has ended
        print(f"node: {time.monotonic() - started:.0f} s", flush=True)
        status = (home / "status").read_text(encoding="ascii").strip()
        if not over or status != "0":
            print("node: its console:\n"
                  + (home / "console").read_text(errors="replace"), flush=True)
        if not over or not status:
            raise AssertionError("node: it did not end by itself")
        return int(status)
