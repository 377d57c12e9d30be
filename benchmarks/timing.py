# SPDX-License-Identifier: GPL-2.0-or-later
"""The timer of the benchmarks."""

import time
from collections.abc import Callable


def best(runs: int, action: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """The least seconds of some runs."""
    seconds = []
    for _ in range(runs):
        start = clock()
        action()
        seconds.append(clock() - start)
    return min(seconds)
