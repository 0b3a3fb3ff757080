# SPDX-License-Identifier: Apache-2.0
"""Two guests on a bridge, filtered in one of the ways that are compared."""

import shutil
import subprocess

import veth

PORT = 5001
PORTS = 20 # first packets of new flows go to as many ports
ELEMENTS, RULES = 10000, 1000
MOVED = "br-moved" # where a tap is until it moves to its node
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Peer:
    """Two guests; `node`: the network namespace that has the bridge."""

    def __init__(self, name, index, node=None):
        self.name, self.bridge, self.node = name, f"br-{name}", node
        ip = ["ip", "-n", node] if node else ["ip"]
        veth.run(*ip, "link", "add", self.bridge, "type", "bridge",
                 "mcast_snooping", "0")
        veth.run(*ip, "link", "set", self.bridge, "up")
        # what Debian has until something loads br_netfilter
        self.netfilter(False)
        self.guests = []
        for i in (1, 2):
            guest = veth.Guest(f"{name}{i}", f"0a:00:00:00:{index:02x}:0{i}",
                               [f"10.0.0.{i}/24"],
                               MOVED if node else self.bridge)
            guest.exec("ethtool", "-K", "eth0", "tso", "off", "gso", "off",
                       "gro", "off", check=False, **QUIET)
            if node:
                veth.run("ip", "link", "set", guest.tap, "netns", node)
                veth.run(*ip, "link", "set", guest.tap, "master", self.bridge,
                         "up")
            self.guests.append(guest)
        macs = {g.address: g.mac for g in self.guests}
        for guest in self.guests:
            guest.neighbours(macs)

    def netfilter(self, on):
        """Whether bridged packets pass iptables and nftables' ip family."""
        inside = ["nsenter", f"--net=/run/netns/{self.node}"]
        veth.run(*(inside if self.node else []), "sysctl", "-q",
                 f"net.bridge.bridge-nf-call-iptables={int(on)}",
                 f"net.bridge.bridge-nf-call-ip6tables={int(on)}",
                 "net.bridge.bridge-nf-call-arptables=0", check=on, **QUIET)

    def count(self, which):
        """Packets that the two guests sent or got, by their interfaces."""
        path = f"/sys/class/net/eth0/statistics/{which}_packets"
        return [int(guest.exec("cat", path, stdout=subprocess.PIPE).stdout)
                for guest in self.guests]


def load(peer, command, rules):
    """Give `rules` to `command` in the peer's node; why it failed, or ''."""
    if not shutil.which(command[0]):
        return f"no {command[0]} here (package nftables, iptables or ebtables)"
    result = veth.run("ip", "netns", "exec", peer.node, *command, input=rules,
                      check=False, capture_output=True)
    if result.returncode == 0:
        return ""
    return f"{command[0]}: {result.stderr.strip().splitlines()[0]}"


def elements():
    found = [f"10.0.0.1 . 10.0.0.2 . {proto} . {port}"
             for proto in ("tcp", "udp") for port in range(PORT, PORT + PORTS)]
    found += [f"10.1.{i >> 8}.{i & 255} . 10.0.0.2 . tcp . {PORT}"
              for i in range(ELEMENTS - len(found))]
    return ", ".join(found)


def nft(peer, family, *rules):
    """A set and a chain on the way from one port to another."""
    return load(peer, ["nft", "-f", "-"], f"""
table {family} bench {{
  set flows {{
    type ipv4_addr . ipv4_addr . inet_proto . inet_service
    elements = {{ {elements()} }}
  }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    {"; ".join(rules)}
  }}
}}
""")


ESTABLISHED = "ct state established accept"
ARP = "ether type arp accept"
ASKS = "ip saddr . ip daddr . meta l4proto . th dport @flows accept"
ANSWERS = "ip daddr . ip saddr . meta l4proto . th sport @flows accept"


def nft_stateful(peer):
    """Family ip sees bridged packets through br_netfilter, which works on
    kernels without nf_conntrack_bridge too."""
    peer.netfilter(True)
    return nft(peer, "ip", ESTABLISHED, ASKS)


def nft_bridge(peer):
    return nft(peer, "bridge", ESTABLISHED, ARP, ASKS)


def nft_stateless(peer):
    """The least that a filter of so many flows can do: who may be asked may
    also begin, from the port that answers."""
    return nft(peer, "bridge", ARP, ASKS, ANSWERS)


def frames_of(tap, guest):
    """The ebtables chains that libvirt 9.0 makes of filter clean-traffic."""
    mac, rarp = guest.mac, "-p RARP -d Broadcast --arp-op Request_Reverse " \
        "--arp-ip-src 0.0.0.0 --arp-ip-dst 0.0.0.0 " \
        f"--arp-mac-src {guest.mac} --arp-mac-dst {guest.mac} -j ACCEPT"
    chains = {
        f"libvirt-I-{tap}": [
            f"-j I-{tap}-mac", f"-p IPv4 -j I-{tap}-ipv4-ip",
            "-p IPv4 -j ACCEPT", f"-p ARP -j I-{tap}-arp-mac",
            f"-p ARP -j I-{tap}-arp-ip", "-p ARP -j ACCEPT",
            f"-p RARP -j I-{tap}-rarp", "-p 0x835 -j ACCEPT", "-j DROP"],
        f"libvirt-O-{tap}": [
            f"-p IPv4 -j O-{tap}-ipv4", "-p ARP -j ACCEPT",
            f"-p RARP -j O-{tap}-rarp", "-j DROP"],
        f"I-{tap}-mac": [f"-s {mac} -j RETURN", "-j DROP"],
        f"I-{tap}-ipv4-ip": [
            "-p IPv4 --ip-src 0.0.0.0 --ip-proto udp -j RETURN",
            f"-p IPv4 --ip-src {guest.address} -j RETURN", "-j DROP"],
        f"I-{tap}-arp-mac": [f"-p ARP --arp-mac-src {mac} -j RETURN",
                             "-j DROP"],
        f"I-{tap}-arp-ip": [
            f"-p ARP --arp-ip-src {guest.address} -j RETURN", "-j DROP"],
        f"I-{tap}-rarp": [f"-s {mac} {rarp}", "-j DROP"],
        f"O-{tap}-ipv4": ["-j ACCEPT"],
        f"O-{tap}-rarp": [rarp, "-j DROP"]}
    return chains


def ebtables(peer):
    lines = ["*nat", ":PREROUTING ACCEPT", ":OUTPUT ACCEPT",
             ":POSTROUTING ACCEPT"]
    rules = []
    for guest in peer.guests:
        rules += [f"-A PREROUTING -i {guest.tap} -j libvirt-I-{guest.tap}",
                  f"-A POSTROUTING -o {guest.tap} -j libvirt-O-{guest.tap}"]
        for chain, of_chain in frames_of(guest.tap, guest).items():
            lines.append(f":{chain} ACCEPT")
            rules += [f"-A {chain} {rule}" for rule in of_chain]
    return load(peer, ["ebtables-nft-restore"],
                "\n".join(lines + rules) + "\n")


def packets_of(tap, other, opens):
    """The iptables chains of one tap: what libvirt makes of 1,000 rules
    "accept in (or out)", then "drop inout all". The rules that allow the
    measured flows stand in the middle."""
    allowed = [(f"10.1.{i >> 8}.{i & 255}", "tcp", PORT)
               for i in range(RULES - 2)]
    allowed[RULES // 2:RULES // 2] = [
        (other, proto, f"{PORT}:{PORT + PORTS - 1}")
        for proto in ("tcp", "udp")]
    asks = "-m conntrack --ctstate NEW,ESTABLISHED -m conntrack " \
           "--ctdir ORIGINAL"
    answers = "-m conntrack --ctstate ESTABLISHED -m conntrack --ctdir REPLY"
    lines = []
    for address, proto, port in allowed:
        sent, got = ((f"--dport {port} {asks}", f"--sport {port} {answers}")
                     if opens else
                     (f"--sport {port} {answers}", f"--dport {port} {asks}"))
        match = f"{address}/32 -p {proto} -m {proto}"
        lines += [f"-A FI-{tap} -d {match} {sent} -j RETURN",
                  f"-A FO-{tap} -s {match} {got} -j ACCEPT",
                  f"-A HI-{tap} -d {match} {sent} -j RETURN"]
    return lines + [f"-A {c}-{tap} -j DROP" for c in ("FI", "FO", "HI")]


def nwfilter(peer):
    """The chains of libvirt's filter driver (9.0, read from a node that it
    had set up): ebtables per tap, iptables per tap through br_netfilter."""
    peer.netfilter(True)
    taps = [guest.tap for guest in peer.guests]
    chains = [f"{c}-{tap}" for tap in taps for c in ("FI", "FO", "HI")]
    chains += ["libvirt-in", "libvirt-out", "libvirt-in-post",
               "libvirt-host-in"]
    lines = ["*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT",
             *[f":{chain} -" for chain in chains],
             "-A INPUT -j libvirt-host-in", "-A FORWARD -j libvirt-in",
             "-A FORWARD -j libvirt-out", "-A FORWARD -j libvirt-in-post"]
    for guest, other, opens in zip(peer.guests, peer.guests[::-1],
                                   (True, False)):
        into, out = f"-m physdev --physdev-in {guest.tap}", \
            f"-m physdev --physdev-is-bridged --physdev-out {guest.tap}"
        lines += [f"-A libvirt-in {into} -g FI-{guest.tap}",
                  f"-A libvirt-out {out} -g FO-{guest.tap}",
                  f"-A libvirt-in-post {into} -j ACCEPT",
                  f"-A libvirt-host-in {into} -g HI-{guest.tap}",
                  *packets_of(guest.tap, other.address, opens)]
    return ebtables(peer) or load(peer, ["iptables-nft-restore"],
                                  "\n".join(lines) + "\nCOMMIT\n")


FILTERS = {
    "none": (lambda peer: "", "veth and bridge, no filter"),
    "nft": (nft_stateful, "nftables, connection tracking, one set of "
            f"{ELEMENTS:,}, by br_netfilter"),
    "nft-bridge": (nft_bridge, "the same in family bridge, "
                   "by nf_conntrack_bridge"),
    "nft-set": (nft_stateless, f"nftables in family bridge, one set of "
                      f"{ELEMENTS:,}, no connection tracking"),
    "nwfilter": (nwfilter, f"libvirt's nwfilter, {RULES:,} rules for each "
                 "guest, the flow's rule in the middle"),
}
