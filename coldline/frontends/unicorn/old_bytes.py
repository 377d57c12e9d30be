# SPDX-License-Identifier: GPL-2.0-or-later
"""The old bytes of some lines, and the accesses that get them."""

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from coldline.events import Op


class GivenTo(enum.Enum):
    """The kind of the accesses that get old bytes."""

    LOAD = "read"
    FETCH = "fetch"
    WALK = "walk"


class OldBytes(NamedTuple):
    """The old bytes of some lines, and who gets them.

    Attributes
    ----------
    address : int
        The first line.
    data : bytes
        The old bytes of all of them.
    reader : GivenTo
        The kind of access.
    agent : str
        The agent whose accesses get them.
    event : int
        The number of the first event that gets them.
    code : int
        The virtual address of the first line, for fetches.
    ends : frozenset of Op
        The maintenance of the lines that ends it.
    """

    address: int
    data: bytes
    reader: GivenTo
    agent: str
    event: int
    code: int
    ends: "frozenset[Op]"

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.address + len(self.data)
