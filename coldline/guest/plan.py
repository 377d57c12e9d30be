# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan: everything that a builder needs to know about a guest, as data."""

from typing import TYPE_CHECKING

from coldline.guest.machines import XENVM, MachineLayout
from coldline.guest.reasons import Reason
from coldline.support.frozen_record import Record, field

if TYPE_CHECKING:
    from coldline.image import FileBytes


class Bank(Record):
    """A range of guest memory, in bytes; both ends on 4 KiB pages.

    Attributes
    ----------
    base, size : int
        Its range.
    flash : bool
        Whether it is flash, which the guest reads and executes but does not write.
    """

    base: int
    size: int
    reason: Reason = field(default=Reason.UNSAID, compare=False)
    flash: bool = False

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.size


class Segment(Record):
    """A range of guest memory that the builder loads.

    Attributes
    ----------
    name : str
        ``kernel``, ``firmware``, ``initrd`` or ``dtb``.
    address : int
        Guest physical address of its first byte, on a 4 KiB page.
    data : memoryview or FileBytes
        The bytes that the builder writes; the rest of the segment is zero.
    size : int
        Bytes that are reserved from `address` on: `data`, BSS and the rest of the last page.
    reason : Reason
        Why it has this address.
    """

    name: str
    address: int
    data: "memoryview | FileBytes" = field(repr=False)
    size: int
    reason: Reason = field(default=Reason.UNSAID, compare=False)

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.address + self.size


class Registers(Record):
    """The first vCPU's registers at its first instruction.

    Attributes
    ----------
    pc : int
        Guest physical address of the entry point.
    general : tuple of int
        x0 to x3 on arm64, r0 to r3 on arm32.
    pstate : int
        SPSR form: exception level, DAIF (Arm ARM DDI 0487 C5.2.20); on arm32 the CPSR, with T for Thumb state.
    sctlr : int
        SCTLR of the first exception level: M, C and I are 0.
    """

    pc: int
    general: tuple[int, ...]
    pstate: int
    sctlr: int


class Plan(Record):
    """The memory layout of a guest, and its first vCPU's start. Pure data.

    Attributes
    ----------
    architecture : str
        ``arm64`` or ``arm32``.
    banks : tuple of Bank
        Guest memory, lowest first.
    segments : tuple of Segment
        What the builder loads, sorted by address; no two overlap, and each is inside a bank.
    registers : Registers
        The first vCPU's registers.
    exception_level : int
        1 or 2; on arm32 1, for Supervisor mode.
    layout : MachineLayout
        The addresses of its devices.
    vcpus : int
        Number of virtual CPUs.
    """

    architecture: str
    banks: tuple[Bank, ...]
    segments: tuple[Segment, ...]
    registers: Registers
    exception_level: int
    layout: MachineLayout = XENVM
    vcpus: int = 1
