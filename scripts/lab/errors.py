# SPDX-License-Identifier: Apache-2.0
class LabError(Exception):
    """Something the lab needs did not happen; one line for the user."""
