# SPDX-License-Identifier: GPL-2.0-or-later
"""The translation tables of a running Xen, its dom0 and a guest, read from outside while the machine stands still.

dom0 builds a guest, maps pages of it, and lets it run (`testbed/dom0/hold_frames.py`). The machine is stopped by
QEMU's gdb stub, which gives system registers and physical memory. The host models claim what is found there.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coldline.arm import MemoryType, vmsa
from coldline.arm.stage2_tables import Stage2Descriptor, first_level, first_table
from coldline.errors import ColdlineError
from testbed.machines.gdb import Gdb

__all__ = ["HELD", "RELEASED", "Leaf", "OutsideError", "Tables", "look"]

HELD: Final = "held"
"""The file with which dom0 says that it maps pages, in JSON."""

RELEASED: Final = "released"
"""The file with which dom0 is told to end."""

_REGISTERS: Final = (
    "TTBR0_EL2", "TCR_EL2", "MAIR_EL2", "VTTBR_EL2", "VTCR_EL2", "HCR_EL2", "TTBR1_EL1", "TCR_EL1", "MAIR_EL1",
)  # fmt: skip
_EL2: Final = 2
_ENTRIES: Final = 9
_GRANULE: Final = 12
_FORM: Final = vmsa.BITS_48
"""The machine's core has no FEAT_LPA2."""
_MOST_BITS: Final = vmsa.most_input_bits(_GRANULE, _FORM)
_TRIES: Final = 400


class OutsideError(ColdlineError):
    """The machine was not found in the wanted state."""


@dataclass(frozen=True)
class Leaf:
    """A leaf of translation tables.

    Attributes
    ----------
    virtual, physical : int
        The addresses of its first byte, as input and as output.
    shift : int
        log2 of its bytes.
    attributes : int
        Stage 1: the byte of MAIR_ELx; stage 2: MemAttr[3:0].
    shareability : int
        SH[1:0]: 3 is inner shareable.
    """

    virtual: int
    physical: int
    shift: int
    attributes: int
    shareability: int

    @property
    def memory_type(self) -> MemoryType:
        """The type that stage 1 gives."""
        return MemoryType(vmsa.attribute_type(self.attributes, 0))

    def covers(self, physical: int) -> bool:
        """Return whether it maps a physical address."""
        return self.physical <= physical < self.physical + (1 << self.shift)

    def input_of(self, physical: int) -> int:
        """Return the input address that gives a physical address of the leaf."""
        return self.virtual + physical - self.physical

    def output_of(self, virtual: int) -> int:
        """Return the physical address that an input address of the leaf gives."""
        return self.physical + virtual - self.virtual


@dataclass(frozen=True)
class Tables:
    """What was found.

    Attributes
    ----------
    xen : tuple of Leaf
        Xen's own stage 1, at EL2.
    dom0_stage2, guest_stage2 : tuple of Leaf
        The stage 2 of each.
    dom0_linear : tuple of Leaf
        The upper half of dom0's stage 1, which has its linear map; its physical addresses are dom0's.
    held : tuple of tuple of int
        The guest's frames that dom0 maps, by mapping.
    """

    xen: tuple[Leaf, ...]
    dom0_stage2: tuple[Leaf, ...]
    guest_stage2: tuple[Leaf, ...]
    dom0_linear: tuple[Leaf, ...]
    held: tuple[tuple[int, ...], ...]

    def machine_address(self, frame: int) -> int:
        """Return the physical address of a frame of the guest.

        Raises
        ------
        OutsideError
            If its stage 2 does not map it.
        """
        virtual = frame << _GRANULE
        for leaf in self.guest_stage2:
            if leaf.virtual <= virtual < leaf.virtual + (1 << leaf.shift):
                return leaf.output_of(virtual)
        raise OutsideError(f"the guest's stage 2 does not map {virtual:#x}")

    def aliases(self, physical: int) -> dict[str, list[Leaf]]:
        """Return the leaves that map a physical address: Xen's, and those of dom0's linear map, below its stage 2."""
        inputs = [leaf.input_of(physical) for leaf in self.dom0_stage2 if leaf.covers(physical)]
        return {
            "xen": [leaf for leaf in self.xen if leaf.covers(physical)],
            "dom0-linear": [leaf for leaf in self.dom0_linear if any(map(leaf.covers, inputs))],
        }


def look(folder: Path, socket: Path, end: float) -> Tables:
    """Wait until dom0 says that it maps a guest, stop the machine, read its tables, and let dom0 end.

    Raises
    ------
    OutsideError
        If dom0 says nothing before `end`, or dom0 and the guest were not both found at a core.
    """
    while not (folder / HELD).is_file():
        if time.monotonic() > end:
            raise OutsideError("dom0 maps no guest in time")
        time.sleep(0.2)
    held = json.loads((folder / HELD).read_text())
    try:
        with Gdb(socket) as gdb:
            dom0, guest = _both(gdb)
            tcr = dom0["TCR_EL1"]
            return Tables(
                xen=tuple(_stage1(gdb, dom0["TTBR0_EL2"], dom0["TCR_EL2"], dom0["MAIR_EL2"], upper=False)),
                dom0_stage2=tuple(_stage2(gdb, dom0["VTTBR_EL2"], dom0["VTCR_EL2"])),
                guest_stage2=tuple(_stage2(gdb, guest["VTTBR_EL2"], guest["VTCR_EL2"])),
                dom0_linear=tuple(_stage1(gdb, dom0["TTBR1_EL1"], tcr, dom0["MAIR_EL1"], upper=True)),
                held=tuple(tuple(frames) for frames in held["frames"]),
            )
    finally:
        (folder / RELEASED).write_text("")


def _both(gdb: Gdb) -> tuple[dict[str, int], dict[str, int]]:
    """Return the registers as dom0 ran, and as the guest ran, which has no tables of its own."""
    dom0 = guest = None
    for _ in range(_TRIES):
        registers = gdb.registers(*_REGISTERS, "cpsr")
        if registers["cpsr"] >> 2 & 3 < _EL2:  # Xen itself is between two domains
            if registers["TTBR1_EL1"]:
                dom0 = registers
            else:
                guest = registers
        if dom0 and guest:
            return dom0, guest
        gdb.run_for(0.02)
    raise OutsideError(f"the core was not found in {'the guest' if dom0 else 'dom0'}")


def _stage1(gdb: Gdb, ttbr: int, tcr: int, mair: int, *, upper: bool) -> Iterator[Leaf]:
    bits = vmsa.input_bits(tcr, upper, _MOST_BITS)
    base = vmsa.table_base(ttbr, bits, _GRANULE, _FORM)
    level = vmsa.start_level(bits, _GRANULE)
    lowest = ~((1 << bits) - 1) & (1 << 64) - 1 if upper else 0
    for leaf, descriptor in _leaves(gdb, base, level, bits - vmsa.level_shift(level, _GRANULE), lowest):
        kind = mair >> 8 * vmsa.attribute_index(descriptor) & 0xFF
        yield Leaf(*leaf, kind, descriptor >> 8 & 3)


def _stage2(gdb: Gdb, vttbr: int, vtcr: int) -> Iterator[Leaf]:
    level, bits = first_level(vtcr, _GRANULE), vmsa.input_bits(vtcr, False, _MOST_BITS)
    entries = bits - vmsa.level_shift(level, _GRANULE)
    for leaf, descriptor in _leaves(gdb, first_table(vttbr, entries, _FORM), level, entries, 0):
        yield Leaf(*leaf, Stage2Descriptor.MEM_ATTR.get(descriptor), descriptor >> 8 & 3)


def _leaves(
    gdb: Gdb, table: int, level: int, entries: int, lowest: int
) -> Iterator[tuple[tuple[int, int, int], int]]:
    """Yield the input address, output address and size of each leaf below a table, and its descriptor."""
    shift = vmsa.level_shift(level, _GRANULE)
    data = gdb.read(table, 8 << entries)
    for index in range(1 << entries):
        descriptor = int.from_bytes(data[8 * index : 8 * index + 8], "little")
        virtual = lowest + (index << shift)
        if not vmsa.is_valid(descriptor):
            continue
        if vmsa.is_table(descriptor, level):
            yield from _leaves(
                gdb, vmsa.next_table(descriptor, _GRANULE, _FORM), level + 1, _ENTRIES, virtual
            )
        elif vmsa.is_leaf(descriptor, level, _GRANULE, _FORM):
            yield (virtual, vmsa.output_base(descriptor, level, _GRANULE, _FORM), shift), descriptor
