# SPDX-License-Identifier: GPL-2.0-or-later
"""The levels at which walks start, as tables of the Arm ARM have them, one test for each TxSZ."""

from collections.abc import Iterable

import pytest

GRANULES = {"4KB": 12, "16KB": 14, "64KB": 16}


def every_start(rows: Iterable[tuple[str, int, int, int, int]]) -> list[object]:
    """Parameters (granule, start level, TxSZ, x) of a test, of rows (granule, level, least and greatest TxSZ, n).

    The first table is at TTBR[47:x], and x is n - TxSZ.
    """
    return [
        pytest.param(granule, level, size, n - size, id=f"{granule}-T{size}")
        for granule, level, least, greatest, n in rows
        for size in range(least, greatest + 1)
    ]
