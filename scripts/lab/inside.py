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


def sh(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def knob(path: str, value: str) -> None:
    Path("/proc/sys", path).write_text(value)


def mounts() -> None:
    """Own /sys (it shows this network namespace), /run and libvirt state."""
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
    if os.path.isdir("/var/lib/cloison"):
        sh("mount", "-t", "tmpfs", "-o", "mode=0700", "lab",
           "/var/lib/cloison")
    for directory in ("/run/lock", "/run/libvirt", "/run/cloison", HOME):
        os.makedirs(directory, exist_ok=True)
    Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF)
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)


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


def libvirtd() -> None:
    with open(HOME / "libvirtd.log", "ab") as log:
        daemon = subprocess.Popen(["libvirtd"], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log,
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
    mounts()
    network()
    libvirtd()
    signal.signal(signal.SIGCHLD, reap)
    reap()
    lifeline.sendall(b"ready")
    if lifeline.recv(16) == b"keep":
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
