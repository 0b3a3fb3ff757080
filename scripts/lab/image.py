# SPDX-License-Identifier: Apache-2.0
"""What the guests boot: Debian's cloud kernel and one shared initramfs."""

import lzma
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.errors import LabError

CACHE = Path("/var/cache/cloison/guest")
HERE = Path(__file__).parent / "guest"
MODULES = ("virtio_pci", "virtio_blk", "virtio_net")
DIRECTORIES = ("bin", "dev", "modules", "proc", "sys", "tmp")
KVM_SECONDS = 10

Member = tuple[str, int, bytes] # name, mode, content
Run = Callable[[list[str]], subprocess.CompletedProcess]


def release(cache: Path = CACHE) -> str:
    try:
        return (cache / "release").read_text().strip()
    except OSError:
        raise LabError(
            f"no kernel in {cache}: run scripts/install-deps") from None


def kernel(cache: Path = CACHE) -> Path:
    return cache / "boot" / f"vmlinuz-{release(cache)}"


def compile_labguest(out: Path) -> None:
    sources = sorted(str(path) for path in HERE.glob("*.c"))
    subprocess.run(
        ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-static", "-O2", "-s", "-Wall",
         "-Wextra", "-Werror", "-o", str(out), *sources], check=True)


def module_files(modules: Sequence[str], cache: Path) -> list[Path]:
    """The modules and what they depend on, in the order to insert them."""
    files: list[Path] = []
    for module in modules:
        shown = subprocess.run(
            ["modprobe", "-d", str(cache), "-S", release(cache),
             "--show-depends", module],
            check=True, capture_output=True, text=True)
        for line in shown.stdout.splitlines():
            words = line.split()
            path = Path(words[-1])
            if words[0] == "insmod" and path not in files:
                files.append(path)
    return files


def cpio_entry(name: str, mode: int, data: bytes, inode: int) -> bytes:
    """One member of a "newc" archive."""
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return (head + b"\0" * (-len(head) % 4)
            + data + b"\0" * (-len(data) % 4))


def module_members(modules: Sequence[str], cache: Path) -> list[Member]:
    """What an initramfs holds below modules/, and their order."""
    members: list[Member] = []
    order = []
    for path in module_files(modules, cache):
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        order.append(path.name.removesuffix(".xz"))
        members.append((f"modules/{order[-1]}", 0o100644, data))
    members.append(("modules/order", 0o100644,
                    "".join(f"{name}\n" for name in order).encode()))
    return members


def archive(members: Sequence[Member]) -> bytes:
    """An initramfs: DIRECTORIES, busybox and the members."""
    every: list[Member] = [
        *((name, 0o040755, b"") for name in DIRECTORIES),
        ("bin/busybox", 0o100755, Path("/bin/busybox").read_bytes()),
        *members,
        ("TRAILER!!!", 0, b"")]
    return b"".join(cpio_entry(name, mode, data, inode)
                    for inode, (name, mode, data) in enumerate(every, 1))


def initramfs(labguest: Path, out: Path) -> None:
    out.write_bytes(archive([
        ("bin/labguest", 0o100755, labguest.read_bytes()),
        ("init", 0o100755, (HERE / "init").read_bytes()),
        *module_members(MODULES, CACHE)]))


def kvm_boots(run: Run, initrd: str) -> bool:
    """Does a guest really run under KVM? Nested, it may just hang."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    done = run(["timeout", "-s", "KILL", str(KVM_SECONDS),
                "qemu-system-x86_64", "-accel", "kvm", "-cpu", "host",
                "-m", "96", "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot", "-serial", "stdio",
                "-kernel", str(kernel()), "-initrd", initrd,
                "-append", "console=ttyS0 panic=-1 rdinit=/bin/busybox "
                "-- poweroff -f"])
    return done.returncode == 0 and "Power down" in done.stdout


def accelerator(run: Run, initrd: str) -> str:
    """"kvm" or "qemu" (TCG): tried once per boot of the machine."""
    chosen = os.environ.get("CLO_LAB_ACCEL")
    if chosen:
        return chosen
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    memo = CACHE / "accelerator"
    try:
        known, answer = memo.read_text().split()
        if known == boot and answer in ("kvm", "qemu"):
            return answer
    except (OSError, ValueError):
        pass
    answer = "kvm" if kvm_boots(run, initrd) else "qemu"
    fresh = memo.with_suffix(f".{os.getpid()}")
    fresh.write_text(f"{boot} {answer}\n")
    fresh.replace(memo)
    return answer
