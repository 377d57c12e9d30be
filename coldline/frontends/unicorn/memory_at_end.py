# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps what a guest's RAM holds at the end of its run, and where loaded code was overwritten by something else."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from coldline.frontends.unicorn.follower import Follower

_MOST: Final = 1 << 30
"""Bytes that are kept."""

_BLOCK: Final = 64
"""Bytes of code of which it is known whether they were overwritten."""

_WORDS: Final = _BLOCK // 4

_PATCHED: Final = _WORDS // 2
"""The most words of a block that code which is patched differs in."""


class MemoryAtEnd(Follower):
    """Follows a run and keeps its RAM, as far as the guest has used it.

    Parameters
    ----------
    loaded : sequence of (int, buffer)
        The code that is loaded: the address of the first byte of each part, and its bytes.
    whole : bool
        Whether to keep the RAM.

    Attributes
    ----------
    ranges : list of (int, bytes)
        The first address of each range, and its bytes: 1 GiB at the most.
    overwritten : list of range
        The addresses of the loaded code in whose place is something else, in blocks of 64 bytes.
    """

    def __init__(
        self, loaded: "Sequence[tuple[int, bytes | memoryview]]" = (), *, whole: bool = True
    ) -> None:
        super().__init__()
        self.ranges: list[tuple[int, bytes]] = []
        self.overwritten: list[range] = []
        self._loaded, self._whole = loaded, whole

    def ended(self, used: list[tuple[int, int]]) -> None:
        """See `Follower.ended`."""
        view = self.vcpus[0].state.view
        left = _MOST if self._whole else 0
        for address, size in used:
            if left:
                self.ranges.append((address, view.bytes_at(address, min(size, left))))
            left = max(left - size, 0)
        for address, data in self._loaded:
            self.overwritten += _overwritten(address, data, view.bytes_at(address, len(data)))


def _overwritten(address: int, before: "bytes | memoryview", after: bytes) -> list[range]:
    """The blocks of some bytes of which most words have changed, adjacent ones joined."""
    size = min(len(before), len(after)) // _BLOCK * _BLOCK
    one, other = (np.frombuffer(each, "<u4", size // 4).reshape(-1, _WORDS) for each in (before, after))
    changed = np.concatenate([[False], (one != other).sum(axis=1) > _PATCHED, [False]])
    edges = (np.flatnonzero(changed[1:] != changed[:-1]) * _BLOCK + address).tolist()
    return [range(first, end) for first, end in zip(edges[::2], edges[1::2], strict=True)]
