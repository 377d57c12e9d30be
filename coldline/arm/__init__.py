# SPDX-License-Identifier: GPL-2.0-or-later
"""The Arm architecture, as data and small pure functions. Imports no other package of coldline."""

from coldline.arm.memory_types import MemoryType, combine

__all__ = ["MemoryType", "combine"]
