# SPDX-License-Identifier: GPL-2.0-or-later
"""A PL031 real-time clock that stands still, so that each run is the same: Arm DDI 0224."""

from coldline.frontends.unicorn.devices.device import identification

_DATA, _LOAD, _CONTROL = 0x000, 0x008, 0x00C


class Pl031:
    """A clock that shows the time that it was last set to, at first the start of 1970, and claims to run.

    Parameters
    ----------
    base : int
        Physical address.
    """

    name = "PL031"
    steady = True
    size = 0x1000

    def __init__(self, base: int) -> None:
        self.base = base
        self._registers = {**identification(part=0x031, revision=0), _CONTROL: 1}

    def read(self, offset: int, size: int) -> int:
        """The value of a register."""
        return self._registers.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Set the clock; ignore writes of other registers."""
        if offset == _LOAD:
            self._registers[_DATA] = self._registers[_LOAD] = value & 0xFFFFFFFF
