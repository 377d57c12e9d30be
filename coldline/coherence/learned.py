# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps what `Lines` has worked out, for the next check with the same rules.

Transitions of shapes depend on the rules alone, so what one run has learned is as true in the next.
"""

import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from coldline import cache
from coldline.coherence.lines import BAD, Lines
from coldline.coherence.rules import Profile

MOST_SHAPES = 1 << 15
"""More are not kept: a trace that makes so many is not like the next one."""

_SOURCES = ("coherence/automaton.py", "coherence/learned.py", "coherence/lines.py", "coherence/rules.py")


class Learned:
    """What has been learned for a profile, in the cache folder.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.
    """

    def __init__(self, profile: Profile) -> None:
        folder = cache.folder()
        self._path: Path | None = None
        if folder is not None:
            self._path = folder / f"{cache.name_for('shapes', _SOURCES, profile)}.npz"
        self._known = 0

    def recall(self, lines: Lines) -> None:
        """Give `lines`, which are new, what is known."""
        if self._path is None:
            return
        with (
            suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile),
            np.load(self._path, allow_pickle=False) as file,
        ):
            runs, counts, whole, memo = (file[name] for name in ("runs", "counts", "whole", "memo"))
            shapes, states = len(counts), len(lines.automaton.step)
            sound = (
                counts.sum() == len(runs)
                and (runs[:, 1] < states).all()
                and (runs[counts.cumsum() - 1, 0] == lines.line).all()
                and whole.shape == (lines.whole.shape[0], shapes)
                and ((whole & ~BAD) < shapes).all()
                and ((memo[:, 1] & np.uint64(~BAD & 0xFFFFFFFF)) < shapes).all()
                and len(memo).bit_count() == 1
                and 2 * np.count_nonzero(memo[:, 0]) <= len(memo)
            )
            if sound:
                ends = counts.cumsum().tolist()
                listed = [(end, state) for end, state in runs.tolist()]
                starts = [0, *ends[:-1]]
                lines.restore(
                    [tuple(listed[start:end]) for start, end in zip(starts, ends, strict=True)], whole, memo
                )
                self._known = lines.learned

    def keep(self, lines: Lines) -> None:
        """Keep what `lines` know by now, where that is more than was known."""
        if self._path is None or lines.learned <= self._known or len(lines.shapes) > MOST_SHAPES:
            return
        counts = np.array([len(shape) for shape in lines.shapes], np.int64)
        runs = np.array([run for shape in lines.shapes for run in shape], np.int64)
        whole = lines.whole[:, : len(lines.shapes)]
        memo = lines.memo

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, runs=runs, counts=counts, whole=whole, memo=memo)

        cache.save(self._path, write)
