# SPDX-License-Identifier: GPL-2.0-or-later
"""A fuzzer's progress, in a file that the fuzzer and its parent process both map.

Even if the fuzzer dies, its runs have been counted, and the file has its last input.
"""

import mmap
import struct
import time
from pathlib import Path
from typing import NamedTuple

from .bounds import Run, checked, peak_memory

_COUNTS = struct.Struct("<5Q")
_INPUT = struct.Struct("<Q")
_STARTED_AT = _COUNTS.size + _INPUT.size
_DATA_AT = _STARTED_AT + 1
_SIZE = 1 << 17


class Counts(NamedTuple):
    """The counts of a fuzzer's runs.

    Attributes
    ----------
    runs : int
        The number of all runs.
    good : int
        The number of runs that ended with a result; the others ended with a typed error.
    spent_ns, slowest_ns : int
        Processor time of all runs, and of the longest one, in nanoseconds.
    peak : int
        The peak memory of the process, in MiB.
    """

    runs: int = 0
    good: int = 0
    spent_ns: int = 0
    slowest_ns: int = 0
    peak: int = 0


class Ledger:
    """A file with a fuzzer's progress.

    Parameters
    ----------
    path : Path
        The file; it is created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        path.touch()
        with path.open("r+b") as file:
            file.truncate(_SIZE)
            self._map = mmap.mmap(file.fileno(), _SIZE)

    @property
    def counts(self) -> Counts:
        """The counts so far."""
        return Counts._make(_COUNTS.unpack_from(self._map))

    @property
    def started(self) -> bool:
        """Whether any run was begun."""
        return self._map[_STARTED_AT] != 0

    @property
    def input(self) -> bytes:
        """The input of the present run, or of the last one."""
        (size,) = _INPUT.unpack_from(self._map, _COUNTS.size)
        return self._map[_DATA_AT : _DATA_AT + size]

    def counted(self, run: Run) -> Run:
        """`run` with the checks of `bounds`, and with each call counted."""
        checked_run, now = checked(run), time.process_time_ns
        runs, good, spent, slowest, peak = self.counts
        self._map[_STARTED_AT] = 1

        def counted_run(data: bytes) -> None:
            nonlocal runs, good, spent, slowest, peak
            _INPUT.pack_into(self._map, _COUNTS.size, len(data))
            self._map[_DATA_AT : _DATA_AT + len(data)] = data
            start = now()
            good += checked_run(data)
            took = now() - start
            runs += 1
            spent += took
            slowest = max(slowest, took)
            if not runs & 0xFF:
                peak = max(peak, peak_memory())
            _COUNTS.pack_into(self._map, 0, runs, good, spent, slowest, peak)

        return counted_run
