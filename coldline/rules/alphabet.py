# SPDX-License-Identifier: GPL-2.0-or-later
"""The alphabet of a byte's automaton: the events that concern a byte, and what speculation may do to it."""

import enum
from typing import NamedTuple


class Setting(NamedTuple):
    """What speculation may do to a line, by the agents' aliases."""

    data: bool
    """A cacheable alias is live: data caches may fill."""
    fetch: bool
    """A cacheable fetch is possible: instruction caches may fill."""


class Letter(enum.IntEnum):
    """An event as it affects one byte: a letter of the byte's automaton.

    ``..._OTHER`` is the same event touching another byte of the line.
    """

    READ_WB = 0
    READ_WB_OTHER = 1
    READ_NC = 2
    WRITE_WB = 3
    WRITE_WB_OTHER = 4
    WRITE_WT = 5
    WRITE_NC = 6
    FETCH_WB = 7
    FETCH_WB_OTHER = 8
    FETCH_NC = 9
    DC_CVAC = 10
    DC_CIVAC = 11
    DC_IVAC = 12
    DC_CVAU = 13
    IC = 14
    DC_CSW = 15
    DC_CISW = 16
    DC_ISW = 17
    SET_NONE = 18
    SET_FETCH = 19
    SET_DATA = 20
    SET_BOTH = 21

    @staticmethod
    def of_setting(setting: Setting) -> "Letter":
        """The letter that changes a byte's setting to `setting`."""
        return Letter(Letter.SET_NONE + 2 * setting.data + setting.fetch)

    @property
    def setting(self) -> Setting | None:
        """The setting that this letter changes to; None if it changes none."""
        code = self - Letter.SET_NONE
        return Setting(bool(code & 2), bool(code & 1)) if code >= 0 else None


OTHER = {
    Letter.READ_WB: Letter.READ_WB_OTHER,
    Letter.WRITE_WB: Letter.WRITE_WB_OTHER,
    Letter.FETCH_WB: Letter.FETCH_WB_OTHER,
}
"""The letter of an access for the bytes of its line that it does not touch; other accesses have none."""

PERHAPS = {Letter.DC_IVAC: Letter.DC_ISW}
"""The letter of maintenance by address for the bytes of its line that it is not sure of.

Other operations do nothing to them, which comes to the same as perhaps to do what they do: caches write back and drop
lines on their own.
"""

ACCESSES = frozenset(
    {
        Letter.READ_WB,
        Letter.READ_NC,
        Letter.WRITE_WB,
        Letter.WRITE_WT,
        Letter.WRITE_NC,
        Letter.FETCH_WB,
        Letter.FETCH_NC,
    }
)
"""Letters of events that touch some bytes of a line; every other letter applies to a whole line."""
