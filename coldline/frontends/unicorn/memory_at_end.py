# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps what a guest's RAM holds at the end of its run."""

from typing import Final

from coldline.frontends.unicorn.follower import Follower

_MOST: Final = 1 << 30
"""Bytes that are kept."""


class MemoryAtEnd(Follower):
    """Follows a run and keeps its RAM, as far as the guest has used it.

    Attributes
    ----------
    ranges : list of (int, bytes)
        The first address of each range, and its bytes: 1 GiB at the most.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[tuple[int, bytes]] = []

    def ended(self, used: list[tuple[int, int]]) -> None:
        """See `Follower.ended`."""
        left = _MOST
        for address, size in used:
            self.ranges.append((address, self.vcpus[0].state.view.bytes_at(address, min(size, left))))
            left = max(left - size, 0)
