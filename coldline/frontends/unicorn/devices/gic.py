# SPDX-License-Identifier: GPL-2.0-or-later
"""The registers of a GICv2 and a GICv3 without interrupts: they identify themselves, and keep what is stored.

Source: Arm IHI 0048B, chapters 4 and 5; Arm IHI 0069, chapter 12. No interrupt is ever pending.
"""

from typing import Final

_PIDR2_V2: Final = 0xFE8
_PIDR2_V3: Final = 0xFFE8
_ARM_GICV2, _ARM_GICV3 = 0x2B, 0x3B
_LINES: Final = 8
"""ITLinesNumber: interrupt IDs up to 287."""

_SPURIOUS: Final = 1023

_CTLR, _TYPER, _IIDR = 0x000, 0x004, 0x008
_SET_ENABLE, _CLEAR_ENABLE = range(0x100, 0x180), range(0x180, 0x200)
_SET_PENDING_TO_CLEAR_ACTIVE = range(0x200, 0x400)
_TARGETS: Final = range(0x800, 0x820)
"""ITARGETSR0 to 7: each core reads its own number there."""

_ARM: Final = 0x43B
"""The implementer, in IIDR."""


class Distributor:
    """A distributor.

    Parameters
    ----------
    base, size : int
        Its range, in bytes.
    version : int
        2 or 3.
    """

    steady = True

    def __init__(self, base: int, size: int, version: int) -> None:
        self.name, self.base, self.size = f"GICv{version} distributor", base, size
        self._identification = {_PIDR2_V2: _ARM_GICV2} if version == 2 else {_PIDR2_V3: _ARM_GICV3}
        self._fixed = {_TYPER: _LINES | (0 if version == 2 else 9 << 19), _IIDR: _ARM, **self._identification}
        self._kept: dict[int, int] = {}

    def read(self, offset: int, size: int) -> int:
        """The value of a register."""
        word, shift = offset & ~3, 8 * (offset & 3)
        value = self._kept.get(word, 0)
        if word in self._fixed:
            value = self._fixed[word]
        elif word in _TARGETS:
            value = 0x0101_0101
        elif word in _CLEAR_ENABLE:
            value = self._kept.get(word - len(_SET_ENABLE), 0)
        return value >> shift & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Keep a setting."""
        word, shift = offset & ~3, 8 * (offset & 3)
        mask = (1 << 8 * size) - 1
        if word in _SET_ENABLE:
            self._kept[word] = self._kept.get(word, 0) | (value & mask) << shift
        elif word in _CLEAR_ENABLE:
            word -= len(_SET_ENABLE)
            self._kept[word] = self._kept.get(word, 0) & ~((value & mask) << shift)
        elif word not in _SET_PENDING_TO_CLEAR_ACTIVE:
            self._kept[word] = self._kept.get(word, 0) & ~(mask << shift) | (value & mask) << shift


_IAR, _HIGHEST_PENDING, _INTERFACE_IIDR = 0x00C, 0x018, 0x0FC


class CpuInterface:
    """A GICv2's interface of a core, or its virtual one.

    Parameters
    ----------
    name : str
        What it is.
    base, size : int
        Its range, in bytes.
    """

    steady = True

    def __init__(self, name: str, base: int, size: int) -> None:
        self.name, self.base, self.size = name, base, size
        self._fixed = {_IAR: _SPURIOUS, _HIGHEST_PENDING: _SPURIOUS, _INTERFACE_IIDR: 0x0002_0000 | _ARM}
        self._kept: dict[int, int] = {}

    def read(self, offset: int, size: int) -> int:
        """The value of a register: no interrupt is pending."""
        return self._fixed.get(offset, self._kept.get(offset, 0)) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Keep a setting."""
        self._kept[offset] = value


_VTR = 0x004
_LIST_REGISTERS = 4
_EMPTY = 0x030
"""GICH_ELRSR0: a bit for each list register that is empty."""


class VirtualInterfaceControl(CpuInterface):
    """A GICv2's virtual interface control registers, for a hypervisor."""

    def __init__(self, base: int, size: int) -> None:
        super().__init__("GICv2 virtual interface control", base, size)
        self._fixed = {_VTR: 0x9000_0000 | _LIST_REGISTERS - 1, _EMPTY: (1 << _LIST_REGISTERS) - 1}


_FRAME = 0x2_0000
_WAKER, _GICR_TYPER = 0x014, 0x008
_SLEEPS, _CHILDREN_ASLEEP = 1 << 1, 1 << 2
_LAST = 1 << 4


class Redistributors:
    """A GICv3's redistributors, one for each core.

    Parameters
    ----------
    base, size : int
        Their range, in bytes.
    cores : int
        The number of cores.
    """

    name = "GICv3 redistributors"
    steady = True

    def __init__(self, base: int, size: int, cores: int) -> None:
        self.base, self.size = base, size
        self._cores = cores
        self._kept: dict[int, int] = {}

    def read(self, offset: int, size: int) -> int:
        """The value of a register."""
        core, at = divmod(offset, _FRAME)
        if core >= self._cores:
            return 0
        word, shift = at & ~3, 8 * (at & 3)
        value = self._kept.get(offset & ~3, 0)
        if word == _WAKER:
            asleep = self._kept.get(offset & ~3, _SLEEPS) & _SLEEPS
            value = _SLEEPS | _CHILDREN_ASLEEP if asleep else 0
        elif word in (_GICR_TYPER, _GICR_TYPER + 4):
            affinity = (core >> 4) << 8 | core & 0xF
            typer = affinity << 32 | core << 8 | (_LAST if core == self._cores - 1 else 0)
            value = typer >> 8 * (word - _GICR_TYPER)
        elif word == _PIDR2_V3:
            value = _ARM_GICV3
        return value >> shift & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Keep a setting."""
        self._kept[offset & ~3] = value
