#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The line of scapy that a witness carries makes the frame whose hex it carries.

usage: scapy.py LINES
LINES: the program that prints a line and a frame for each kind of witness
"""

import logging
import subprocess
import sys

# this file has the name of what it needs
sys.path.pop(0)
sys.dont_write_bytecode = True
logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

try:
    # pylint: disable=wrong-import-position
    from scapy import all as scapy
except ImportError:
    print("skipped: needs python3-scapy")
    sys.exit(77)

NEEDED = ("TCP(", "UDP(", "SCTP(", "/ICMP(", "ICMPv6", "Raw(")


def main(lines):
    output = subprocess.run([lines], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    wrong = 0
    seen = set()
    for line in output.splitlines():
        text, expected = line.split("\t")
        # our own text, and nothing but what scapy has is in reach of it
        made = bytes(eval(text, vars(scapy)))  # pylint: disable=eval-used
        family = "IPv6(" if "/IPv6(" in text else "IP("
        seen |= {(family, word) for word in NEEDED if word in text}
        if made.hex() != expected:
            wrong += 1
            print(f"{text}\n  makes   {made.hex()}\n  must be {expected}")
    missing = {(family, word) for family in ("IP(", "IPv6(")
               for word in NEEDED} - seen
    missing -= {("IP(", "ICMPv6"), ("IPv6(", "/ICMP(")}
    print(f"{len(output.splitlines())} lines, {wrong} wrong")
    if missing:
        sys.exit(f"no line has {missing}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
