# SPDX-License-Identifier: GPL-2.0-or-later
"""A fuzzer's progress, in a file that the fuzzer and its parent process both map.

Whatever becomes of the fuzzer, its runs have been counted, and the input that it died of is there.
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
    """Of a fuzzer's runs.

    Attributes
    ----------
    runs : int
        All of them.
    good : int
        Those that ended with a result; the others did with a typed error.
    spent_ns, slowest_ns : int
        Processor time of all runs, and of the longest one, in nanoseconds.
    peak : int
        The most memory that the process has had, in MiB.
    """

    runs: int = 0
    good: int = 0
    spent_ns: int = 0
    slowest_ns: int = 0
    peak: int = 0


class Ledger:
    """Such a file.

    Parameters
    ----------
    path : Path
        It; made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        path.touch()
        with path.open("r+b") as file:
            file.truncate(_SIZE)
            self._map = mmap.mmap(file.fileno(), _SIZE)

    @property
    def counts(self) -> Counts:
        """So far."""
        return Counts._make(_COUNTS.unpack_from(self._map))

    @property
    def started(self) -> bool:
        """Whether any run was begun."""
        return self._map[_STARTED_AT] != 0

    @property
    def input(self) -> bytes:
        """What the run that is under way was given, or the last one."""
        (size,) = _INPUT.unpack_from(self._map, _COUNTS.size)
        return self._map[_DATA_AT : _DATA_AT + size]

    def counted(self, run: Run) -> Run:
        """`run`, checked, with each call of it noted."""
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
