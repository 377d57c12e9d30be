# SPDX-License-Identifier: GPL-2.0-or-later
"""What the Arm architecture says, as data and small pure functions. Knows of no other package."""

from coldline.arm.memory_types import MemoryType, combine

__all__ = ["MemoryType", "combine"]
