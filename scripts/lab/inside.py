# SPDX-License-Identifier: Apache-2.0
"""Process 1 of a lab, in its own mount, network, pid and ipc namespaces.

Everything the lab makes lives in these namespaces: when this process ends, by
whatever cause, the kernel ends and removes all of it.

usage: inside.py NAME FD    FD: a socket to the lab; the lab ends when the
other end closes, unless "keep" was read from it.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

BRIDGE = "clobr0"
BRIDGE_MAC = "52:54:00:00:00:01"
BRIDGE_ADDRESSES = ("10.0.0.1/16", "fd00::1/16")
HOME = Path("/run/lab")
SOCKET = "/run/libvirt/libvirt-sock"
START_SECONDS = 30

LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
"""
# cgroups, the mount namespaces and security labels of libvirt are the host's
# business; the lab is about the network.
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
hugetlbfs_mount = []
stdio_handler = "file"
"""


# With sandboxes it is all of libvirt's.
SANDBOX_CONF = """\
user = "libvirt-qemu"
group = "libvirt-qemu"
security_driver = "none"
dynamic_ownership = 1
remember_owner = 0
namespaces = []
cgroup_controllers = ["blkio", "cpu", "cpuacct", "memory"]
hugetlbfs_mount = []
stdio_handler = "logd"
"""
# libvirtd looks for hooks only when it starts.
HOOK = f"""\
#!/bin/sh
[ ! -x {HOME}/hook ] || exec {HOME}/hook "$@"
"""
CONTROLLERS = ("blkio", "cpu", "cpuacct", "memory")


def sh(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def knob(path: str, value: str) -> None:
    Path("/proc/sys", path).write_text(value)


def cgroups() -> None:
    """This lab's own part of the machine's, as if it were all."""
    root = Path("/sys/fs/cgroup")
    with open("/proc/self/cgroup", encoding="ascii") as lines:
        there = {name for line in lines for name in
                 line.split(":")[1].split(",")}
    used = [name for name in CONTROLLERS if name in there]
    if not used:
        sh("mount", "-t", "cgroup2", "lab", str(root))
        return
    sh("mount", "-t", "tmpfs", "-o", "mode=0755", "lab", str(root))
    for name in used:
        (root / name).mkdir()
        sh("mount", "-t", "cgroup", "-o", name, "lab", str(root / name))


def mounts(sandbox: bool) -> None:
    """Own /sys (it shows this network namespace), /run and libvirt state."""
    if sandbox: # the machine's cgroups are not to be found any more
        subprocess.run(["umount", "-R", "-l", "/sys/fs/cgroup"], check=False,
                       stderr=subprocess.DEVNULL)
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    sh("mount", "-t", "bpf", "-o", "mode=0700", "bpf", "/sys/fs/bpf")
    for kind, target in (("securityfs", "/sys/kernel/security"),
                         ("efivarfs", "/sys/firmware/efi/efivars")):
        if os.path.isdir(target): # evidence about the node, where it exists
            subprocess.run(["mount", "-t", kind, kind, target], check=False,
                           stderr=subprocess.DEVNULL)
    sh("mount", "-t", "tmpfs", "-o", "mode=0755", "lab", "/run")
    for target in ("/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt",
                   "/var/cache/libvirt"):
        sh("mount", "-t", "tmpfs", "-o", "mode=0755", "lab", target)
    if sandbox:
        cgroups()
    if os.path.isdir("/var/lib/cloison"):
        sh("mount", "-t", "tmpfs", "-o", "mode=0700", "lab",
           "/var/lib/cloison")
    for directory in ("/run/lock", "/run/libvirt", "/run/cloison", HOME):
        os.makedirs(directory, exist_ok=True)
    Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF)
    Path("/etc/libvirt/qemu.conf").write_text(
        SANDBOX_CONF if sandbox else QEMU_CONF)


def network() -> None:
    """The bridge: a plain wire, no netfilter that looks into frames. IPv6 is
    off on taps to come: only guests speak on them."""
    for family in ("arp", "ip", "ip6"):
        path = f"net/bridge/bridge-nf-call-{family}tables"
        if os.path.exists(f"/proc/sys/{path}"):
            knob(path, "0")
    knob("net/ipv6/conf/default/disable_ipv6", "1")
    knob("net/ipv6/conf/default/accept_ra", "0")
    knob("net/ipv6/conf/default/accept_dad", "0")
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge",
       "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
    knob(f"net/ipv6/conf/{BRIDGE}/disable_ipv6", "0")
    knob(f"net/ipv6/conf/{BRIDGE}/accept_dad", "0")
    sh("ip", "link", "set", BRIDGE, "up")
    for address in BRIDGE_ADDRESSES:
        sh("ip", "address", "add", address, "dev", BRIDGE)


def may_raise_limits() -> bool:
    with open("/proc/self/status", encoding="ascii") as lines:
        effective = next(line.split()[1] for line in lines
                         if line.startswith("CapEff:"))
    return bool(int(effective, 16) & 1 << 24) # CAP_SYS_RESOURCE


def libvirtd(sandbox: bool) -> None:
    environment = dict(os.environ)
    if sandbox and not may_raise_limits():
        sh("gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o",
           f"{HOME}/memlock.so", str(Path(__file__).with_name("memlock.c")))
        environment["LD_PRELOAD"] = f"{HOME}/memlock.so"
    if sandbox:
        hook = Path("/etc/libvirt/hooks/qemu")
        hook.parent.mkdir()
        hook.write_text(HOOK)
        hook.chmod(0o755)
        with open(HOME / "virtlogd.log", "ab") as log:
            subprocess.Popen(["virtlogd"], stdin=subprocess.DEVNULL,
                             stdout=log, stderr=log, start_new_session=True)
    with open(HOME / "libvirtd.log", "ab") as log:
        daemon = subprocess.Popen(["libvirtd"], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, env=environment,
                                  start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while daemon.poll() is None and time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(SOCKET)
                return
            except OSError:
                time.sleep(0.02)
    raise SystemExit("libvirtd did not start:\n"
                     + (HOME / "libvirtd.log").read_text())


def reap(*_: object) -> None:
    """Process 1 inherits every orphan."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main() -> None:
    lifeline = socket.socket(fileno=int(sys.argv[2]))
    lifeline.set_inheritable(False)
    sandbox = sys.argv[3:] == ["sandbox"]
    mounts(sandbox)
    network()
    libvirtd(sandbox)
    signal.signal(signal.SIGCHLD, reap)
    reap()
    lifeline.sendall(b"ready")
    if lifeline.recv(16) == b"keep":
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
