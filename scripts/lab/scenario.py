# SPDX-License-Identifier: Apache-2.0
"""The lab's tenants and what may flow between their guests.

Written by hand, beside policy/*.json and not computed from it: what the guests
observe is compared with this, so a fault of the compiler shows.
"""

from lab.guest import Spec

TENANTS = ("acme", "globex")
ENVIRONMENTS = ("production", "test", "development")
NODE = "node" # its addresses: see inside.py

# Both tenants use the same addresses: only the MAC tells their guests apart.
_LAYOUT = (("web", "production", "10.0.1.11", "fd00:1::11"),
           ("db", "production", "10.0.1.12", "fd00:1::12"),
           ("test", "test", "10.0.2.11", "fd00:2::11"),
           ("dev", "development", "10.0.3.11", "fd00:3::11"))

# A workload is known by its domain's name, UUID or metadata: one of each kind.
_UUID = {"acme-db": "0aceacea-0000-4000-8000-0000000000db"}
_METADATA = {"globex-db": "<cloison:workload name='globex-db' "
                          "xmlns:cloison='urn:cloison:workload:v1'/>"}

SPECS: dict[str, Spec] = {}
SCOPE: dict[str, tuple[str, str]] = {}
for _t, _tenant in enumerate(TENANTS):
    for _n, (_role, _environment, _ip4, _ip6) in enumerate(_LAYOUT, 1):
        _name = f"{_tenant}-{_role}"
        SPECS[_name] = Spec(_name, f"52:54:00:0{'ab'[_t]}:00:{_n:02x}",
                            (f"{_ip4}/24", f"{_ip6}/64"),
                            uuid=_UUID.get(_name, ""),
                            metadata=_METADATA.get(_name, ""))
        SCOPE[_name] = (_tenant, _environment)

# What each guest tries against each other guest: (protocol, family, port).
SERVICES = {
    "ping4": ("icmp", 4, 0),
    "tcp4/8080": ("tcp", 4, 8080),
    "tcp4/2222": ("tcp", 4, 2222),
    "udp4/5353": ("udp", 4, 5353),
    "ping6": ("icmp", 6, 0),
    "tcp6/8080": ("tcp", 6, 8080),
    "tcp6/2222": ("tcp", 6, 2222),
    "udp6/5353": ("udp", 6, 5353),
}

# The whole of what may get through. Everything else must not.
ALLOWED = {
    ("acme-web", "acme-db"): {"ping4", "tcp4/8080", "tcp6/8080"},
    ("globex-web", "globex-db"): {"ping4", "tcp4/8080", "udp4/5353",
                                  "ping6", "tcp6/8080", "udp6/5353"},
}
