# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits on one run of a fuzzed function: it ends in time, with a result or a typed error of one line."""

import functools
import os
import resource
import time
from collections.abc import Callable

from coldline.errors import ColdlineError

SECONDS = 1.0
"""The limit of processor time for one run."""

MEBIBYTES = 512
"""The limit of memory for the process that makes the runs, including the memory that it starts with."""

LONGEST_MESSAGE = 8000
"""Characters."""

Run = Callable[[bytes], None]


def checked(run: Run) -> Callable[[bytes], bool]:
    """`run` with checks of its errors, time and memory; returns whether it ended with a result."""

    @functools.wraps(run)
    def checked_run(data: bytes) -> bool:
        start = time.process_time()
        good = True
        try:
            run(data)
        except ColdlineError as error:
            good = False
            text = str(error)
            assert text
            assert "\n" not in text, text
            assert len(text) <= LONGEST_MESSAGE, text
        spent = time.process_time() - start
        assert spent < SECONDS, f"took {spent:.1f} s"
        return good

    return checked_run


def limit_memory(more: int = MEBIBYTES) -> None:
    """Limit this process to `more` MiB in addition to what it has; an allocation beyond that raises `MemoryError`."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + (more << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def peak_memory() -> int:
    """The peak memory of this process, in MiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) >> 10
