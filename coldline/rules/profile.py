# SPDX-License-Identifier: GPL-2.0-or-later
"""An implementation's promises about its caches: the size of a line, and switches.

The names of the switches are defined only here. Traces (``option`` lines), the binary form, the command's options and
the host models take them from `SWITCHES`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from coldline.rules.order.ordering import COLD_START, ZEROED_BYTES, Ordering

LINE_SIZES = (16, 2048)
"""The least and the greatest size of a cache line, in bytes; it is a power of two."""

MINIMUM_LINE = 64
"""The most bytes of which maintenance by address is sure, unless a trace says otherwise.

A line's size is that of CTR_EL0.CWG, up to which a write-back may write; it says nothing of DminLine and IminLine.
"""


@dataclass(frozen=True, slots=True)
class Profile:
    """The implementation's promises beyond the architecture's minimum.

    Attributes
    ----------
    line : int
        Cache writeback granule in bytes (CTR_EL0.CWG).
    nc_may_hit : bool
        A non-cacheable or device read may also return a valid cached copy.
    setway_effective : bool
        Set/way maintenance reaches every copy: one processor and no system cache.
    idc : bool
        CTR_EL0.IDC: instruction fetches see level 1, no clean to the point of unification is needed.
    dic : bool
        CTR_EL0.DIC: no instruction cache ever holds an old copy.
    ordering : Ordering or None
        The cores, and the order of what they do; None where there is one instruction cache and everything takes
        effect at once.
    """

    line: int = 64
    nc_may_hit: bool = False
    setway_effective: bool = False
    idc: bool = False
    dic: bool = False
    ordering: Ordering | None = None

    @classmethod
    def with_options(cls, options: Iterable[str], line: int = 64) -> "Profile":
        """The profile with some switches on, by their names in `SWITCHES`.

        Raises
        ------
        KeyError
            If there is no switch with one of the names.
        """
        return cls(line).having(options)

    def having(self, options: Iterable[str]) -> "Profile":
        """The same with some more switches on, by their names in `SWITCHES`.

        Raises
        ------
        KeyError
            If there is no switch with one of the names.
        """
        on: dict[str, Any] = {_FIELDS[option]: True for option in options}
        return replace(self, **on)

    @property
    def has_barriers(self) -> bool:
        """Whether operations are complete at their core's barriers, and not at once."""
        return self.ordering is not None and self.ordering.barriers

    @property
    def dmin(self) -> int:
        """The bytes, naturally aligned, of which a ``dc`` by address is sure (CTR_EL0.DminLine)."""
        said = None if self.ordering is None else self.ordering.dmin
        return said or min(MINIMUM_LINE, self.line)

    @property
    def imin(self) -> int:
        """The bytes, naturally aligned, of which an ``ic ivau`` is sure (CTR_EL0.IminLine)."""
        said = None if self.ordering is None else self.ordering.imin
        return said or min(MINIMUM_LINE, self.line)

    @property
    def zva(self) -> int:
        """The bytes of the block that ``dc zva`` zeroes (DCZID_EL0.BS)."""
        return ZEROED_BYTES if self.ordering is None else self.ordering.zva

    @property
    def program_order_granule(self) -> int:
        """The bytes, naturally aligned, that a cacheable access touches for what its core issued before it.

        Without barriers nothing is pending, and any size is right: that of the line.
        """
        return self.dmin if self.has_barriers else self.line

    @property
    def start(self) -> str:
        """What lines may hold before the first event: a word of `coldline.rules.order.ordering.STARTS`."""
        return COLD_START if self.ordering is None else self.ordering.start

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the switches that are on, in the order of `SWITCHES`."""
        return tuple(option for option, name in _FIELDS.items() if getattr(self, name))


SWITCHES = MappingProxyType(
    {
        "nc-may-hit": "non-cacheable reads may also return a cached copy",
        "setway-effective": "set/way maintenance reaches every copy of a line",
        "idc": "CTR_EL0.IDC: instruction fetches see level 1 data caches",
        "dic": "CTR_EL0.DIC: no instruction cache ever holds an old copy",
    }
)
"""The switches by their names in traces and on the command line, each with a line of help.

Their order is that of the bits in the head of a binary trace.
"""

_FIELDS = {option: option.replace("-", "_") for option in SWITCHES}
