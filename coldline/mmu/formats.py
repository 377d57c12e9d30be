# SPDX-License-Identifier: GPL-2.0-or-later
"""Chooses the functions for the format of a core's translation tables, so that the other modules need only one form.

`s` is a record with the fields of `coldline.mmu.view`; its `format` is one of three. AArch32 has one translation
regime, which is kept as that of exception level 1. Imported only to compile.
"""

from typing import Any

from coldline.arm import lpae, short, stage2, stage2_tables, vmsa
from coldline.arm.fields import Sctlr
from coldline.events import agent_names
from coldline.events.layout import OUTER_SHIFT
from coldline.jit.intrinsics import compiled, int64, load32, load64, make_known, uint64
from coldline.mmu.view import LPAE, SHORT, STAGE2

make_known(lpae, short, stage2, stage2_tables, vmsa, agent_names)

NEITHER = lpae.NEITHER
_C = Sctlr.C.mask
_NORMAL_NC, _DEVICE = vmsa.NORMAL_NC, vmsa.DEVICE


@compiled
def size_shift(s: Any) -> int:
    """log2 of the bytes of a descriptor."""
    return 2 if s.format == uint64(SHORT) else 3


@compiled
def read_descriptor(s: Any, address: int) -> int:
    """The descriptor at a physical address; 0, which is invalid, outside of RAM."""
    for bank in range(s.banks):
        offset = uint64(address) - s.bank_base[bank]
        if offset < s.bank_size[bank]:
            at = s.bank_pointer[bank] + offset
            return int64(load32(at)) if s.format == uint64(SHORT) else int64(load64(at))
    return int64(0)


@compiled
def half(s: Any, address: int) -> int:
    """The TTBR whose tables translate a virtual address: 0, 1, or `NEITHER`."""
    tcr = int64(s.tcr[s.el])
    if s.format == uint64(SHORT):
        upper = short.is_upper(tcr, address)
        return NEITHER if short.walks_disabled(tcr, upper) else int64(upper)
    if s.format == uint64(LPAE):
        which = lpae.half(tcr, address)
        return NEITHER if which >= 0 and vmsa.walks_disabled(tcr, which == 1) else which
    upper = s.el == 1 and (address >> 55) & 1 != 0
    if not vmsa.in_range(address, input_bits(s, upper), upper):
        return NEITHER
    return NEITHER if s.el == 1 and vmsa.walks_disabled(tcr, upper) else int64(upper)


@compiled
def has_root(s: Any, upper: bool) -> bool:
    """Whether TTBR1 (or TTBR0) has tables that translate anything."""
    tcr = int64(s.tcr[s.el])
    if s.format == uint64(SHORT):
        return not (upper and short.input_bits(tcr, False) == 32) and not short.walks_disabled(tcr, upper)
    if s.format == uint64(LPAE) and upper and lpae.half(tcr, 0xFFFFFFFF) != 1:
        return False
    return not (s.el == 1 and vmsa.walks_disabled(tcr, upper))


@compiled
def granule(s: Any, upper: bool) -> int:
    """log2 of the translation granule in bytes."""
    if s.format == uint64(LPAE) or s.format == uint64(SHORT):
        return lpae.GRANULE
    return vmsa.granule_bits(int64(s.tcr[s.el]), upper)


@compiled
def address_form(s: Any, granule: int) -> int:
    """How descriptors and TTBRs hold addresses: see `vmsa.address_form`. AArch32 has 40 bits of them at the most."""
    if s.format == uint64(SHORT) or s.format == uint64(LPAE):
        return vmsa.BITS_48
    like_el1 = s.format != uint64(STAGE2) and s.el == 1
    return vmsa.address_form(int64(s.tcr[s.el]), granule, like_el1)


@compiled
def input_bits(s: Any, upper: bool) -> int:
    """The number of address bits that the tables translate."""
    tcr = int64(s.tcr[s.el])
    if s.format == uint64(SHORT):
        return short.input_bits(tcr, upper)
    if s.format == uint64(LPAE):
        return lpae.input_bits(tcr, upper)
    pages = granule(s, upper)
    return vmsa.input_bits(tcr, upper, vmsa.most_input_bits(pages, address_form(s, pages)))


@compiled
def lowest_address(s: Any, upper: bool) -> int:
    """The virtual address that the first descriptor of the first table translates."""
    if s.format == uint64(SHORT):
        return 0
    if s.format == uint64(LPAE):
        return lpae.lowest_address(int64(s.tcr[s.el]), upper)
    return ~((1 << input_bits(s, upper)) - 1) if upper else 0


@compiled
def used_addresses(s: Any, upper: bool) -> tuple[int, int]:
    """The half-open range of virtual addresses that the tables of TTBR1 (or TTBR0) translate.

    In AArch32 the ranges of the two may overlap.
    """
    tcr, lowest = int64(s.tcr[s.el]), lowest_address(s, upper)
    end = lowest + (1 << input_bits(s, upper))
    if s.format == uint64(SHORT) and upper:
        lowest = 1 << short.input_bits(tcr, False)
    elif s.format == uint64(LPAE):
        uppers = lpae.lowest_address(tcr, True)
        if upper and not uppers:
            lowest = 1 << lpae.input_bits(tcr, False)
        elif uppers and not upper:
            end = min(end, uppers)
    return lowest, end


@compiled
def walk_attributes(s: Any, upper: bool, below: int) -> int:
    """The memory types of reads of the tables, with both stages combined, as an event's attributes.

    `below` is the stage 2: see `coldline.arm.stage2`. Where the trace has no mappings of two types, an inner and an
    outer type that differ are taken as the weaker.
    """
    if s.format != uint64(STAGE2) and not int64(s.sctlr[s.el]) & _C:
        inner = outer = int64(_NORMAL_NC)
    elif s.format == uint64(SHORT):
        inner, outer = short.walk_types(int64(s.ttbr1[s.el] if upper else s.ttbr0[s.el]))
    else:
        inner, outer = vmsa.walk_types(int64(s.tcr[s.el]), upper)
    inner, outer = stage2.combined_halves(inner, outer, below)
    if s.two_types and inner != outer and min(inner, outer) > int64(_DEVICE):
        return 1 + inner | (1 + outer) << OUTER_SHIFT
    return 1 + min(inner, outer)


@compiled
def start_level(s: Any, bits: int, granule: int) -> int:
    """The level of the first table."""
    if s.format == uint64(STAGE2):
        return stage2_tables.first_level(int64(s.tcr[s.el]), granule)
    return short.FIRST_LEVEL if s.format == uint64(SHORT) else vmsa.start_level(bits, granule)


@compiled
def table_base(s: Any, upper: bool, bits: int, granule: int) -> int:
    """The physical address of the first table."""
    ttbr = int64(s.ttbr1[s.el] if upper else s.ttbr0[s.el])
    if s.format == uint64(STAGE2):
        entries_bits = bits - level_shift(s, start_level(s, bits, granule), granule)
        return stage2_tables.first_table(ttbr, entries_bits, address_form(s, granule))
    if s.format == uint64(SHORT):
        return short.table_base(ttbr, bits)
    return vmsa.table_base(ttbr, bits, granule, address_form(s, granule))


@compiled
def level_shift(s: Any, level: int, granule: int) -> int:
    """log2 of the bytes that one descriptor of `level` covers."""
    return short.level_shift(level) if s.format == uint64(SHORT) else vmsa.level_shift(level, granule)


@compiled
def is_valid(s: Any, descriptor: int) -> bool:
    """Whether a descriptor maps or points to anything."""
    return short.is_valid(descriptor) if s.format == uint64(SHORT) else vmsa.is_valid(descriptor)


@compiled
def is_table(s: Any, descriptor: int, level: int) -> bool:
    """Whether a valid descriptor points to a table of the next level."""
    if s.format == uint64(SHORT):
        return short.is_table(descriptor, level)
    return vmsa.is_table(descriptor, level)


@compiled
def is_leaf(s: Any, descriptor: int, level: int, granule: int) -> bool:
    """Whether a valid descriptor that points to no table maps memory."""
    if s.format == uint64(SHORT):
        return short.is_leaf(descriptor, level)
    return vmsa.is_leaf(descriptor, level, granule, address_form(s, granule))


@compiled
def next_table(s: Any, descriptor: int, granule: int) -> int:
    """The physical address of the table that a descriptor points to."""
    if s.format == uint64(SHORT):
        return short.next_table(descriptor)
    return vmsa.next_table(descriptor, granule, address_form(s, granule))


@compiled
def output_base(s: Any, descriptor: int, level: int, granule: int, address: int) -> int:
    """The physical address of the first byte that a leaf maps; it is the descriptor of virtual `address`."""
    if s.format == uint64(SHORT):
        return short.output_base(descriptor, level, address)
    return vmsa.output_base(descriptor, level, granule, address_form(s, granule))


@compiled
def leaf_type(s: Any, descriptor: int, level: int) -> int:
    """The memory type of a leaf, with both stages combined."""
    mair = int64(s.mair[s.el])
    if s.format == uint64(SHORT):
        nmrr = int64(s.mair[s.el] >> uint64(32))
        memory_type = short.leaf_type(descriptor, level, int64(s.sctlr[s.el]), mair & 0xFFFFFFFF, nmrr)
    else:
        memory_type = vmsa.attribute_type(mair, vmsa.attribute_index(descriptor))
    return stage2.combined_type(memory_type, int64(s.stage2))


@compiled
def executable(s: Any, descriptor: int, level: int, never: int) -> bool:
    """Whether any code may be fetched through a leaf below tables that impose `never`."""
    if s.format == uint64(SHORT):
        return short.executable(never | short.leaf_never(descriptor, level))
    never |= vmsa.leaf_never(descriptor)
    return short.executable(never) if s.format == uint64(LPAE) else vmsa.executable(never, int64(s.el))


@compiled
def table_never(s: Any, descriptor: int) -> int:
    """The execute-never bits that a table descriptor imposes on all below it."""
    if s.format == uint64(STAGE2):
        return 0
    return short.table_never(descriptor) if s.format == uint64(SHORT) else vmsa.table_never(descriptor)
