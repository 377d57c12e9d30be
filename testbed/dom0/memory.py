# SPDX-License-Identifier: GPL-2.0-or-later
"""Exact accounts of dom0's memory."""

import re
import time
from pathlib import Path

import pytest

MEMORY = Path("/sys/devices/system/xen_memory/xen_memory0/info")


def accounted() -> tuple[int, int]:
    """What memory dom0 and its balloon have, in KiB, and what address space was set aside to show frames at.

    Pages that show frames are taken from one or the other: from the balloon, or, where the kernel can
    (CONFIG_XEN_UNPOPULATED_ALLOC), from address space with nothing in it, which grows by 128 MiB as it is used up.
    The balloon may be moving memory; so it is read until it rests.
    """

    def read() -> list[int]:
        return [int((MEMORY / name).read_text()) for name in ("current_kb", "low_kb", "high_kb")]

    for _ in range(100):
        first = read()
        time.sleep(0.05)
        if read() == first:
            return sum(first), scratch()
    pytest.fail("the balloon does not come to rest")


def scratch() -> int:
    """The address space that was set aside, in bytes."""
    ranges = re.findall(r"(\w+)-(\w+) : Xen scratch", Path("/proc/iomem").read_text())
    return sum(int(last, 16) + 1 - int(first, 16) for first, last in ranges)
