# SPDX-License-Identifier: GPL-2.0-or-later
"""Exact accounts of dom0's memory."""

import re
import time
from pathlib import Path

import pytest

MEMORY = Path("/sys/devices/system/xen_memory/xen_memory0/info")


def accounted() -> tuple[int, int]:
    """The memory of dom0 and of its balloon, in KiB, and the address space that is reserved for foreign frames.

    Foreign frames are mapped at pages from the balloon or, with CONFIG_XEN_UNPOPULATED_ALLOC, at address space
    without memory, which grows by 128 MiB when it is used up. The balloon may be moving memory, so it is read until
    it stops.
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
    """The reserved address space, in bytes."""
    ranges = re.findall(r"(\w+)-(\w+) : Xen scratch", Path("/proc/iomem").read_text())
    return sum(int(last, 16) + 1 - int(first, 16) for first, last in ranges)
