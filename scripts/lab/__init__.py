# SPDX-License-Identifier: Apache-2.0
"""A private hypervisor with real guests, gone without a trace when it ends.

    with Lab() as lab:
        web, db = lab.boot([Spec("web", ...), Spec("db", ...)])
        lab.run(["ip", "link"])
        web.sh("ping -c 1 10.0.1.12")
"""

from lab.core import Lab, LabError
from lab.guest import Guest, Spec

__all__ = ["Guest", "Lab", "LabError", "Spec"]
