# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check has judged: without it, a verdict says nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The accesses that a check has judged. Stores are followed and never judged, as they return nothing.

    Attributes
    ----------
    cacheable_reads : int
        Reads and translation table walks that may return what a cache holds.
    other_reads : int
        The other reads and walks: non-cacheable, device, or with the MMU or the caches off.
    cacheable_fetches, other_fetches : int
        Instruction fetches, divided likewise.
    """

    cacheable_reads: int = 0
    other_reads: int = 0
    cacheable_fetches: int = 0
    other_fetches: int = 0

    @property
    def cacheable(self) -> int:
        """The number of judged accesses that may return what a cache holds."""
        return self.cacheable_reads + self.cacheable_fetches

    @property
    def judged(self) -> int:
        """The number of accesses that were judged."""
        return self.cacheable_reads + self.other_reads + self.cacheable_fetches + self.other_fetches
