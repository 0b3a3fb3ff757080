# SPDX-License-Identifier: Apache-2.0
"""A node with another kernel, to run tests of this machine in."""

from vm.machine import NODE, run

__all__ = ["NODE", "run"]
