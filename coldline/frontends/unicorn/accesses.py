# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that the callbacks of both instruction sets share: for accesses, blocks of code and maintenance.

`s` is the record of `coldline.frontends.unicorn.state`. Imported only to compile.
Longer than 300 lines because its functions call one another.
"""

from typing import Any

import numpy as np
from unicorn import arm_const
from unicorn import unicorn_const as const

from coldline.events.appending import emit, locate_from
from coldline.events.batch import InstructionState
from coldline.events.event import ZVA_BLOCK
from coldline.events.op import Kind, Op
from coldline.frontends.unicorn.added_events import append_fetch
from coldline.frontends.unicorn.barriers import append_barrier, append_barriers, forget_barriers
from coldline.frontends.unicorn.code_places import at_block, at_instruction
from coldline.frontends.unicorn.intrinsics import call_control, call_register, call_stop
from coldline.frontends.unicorn.polls import at_limit, follow_loop
from coldline.frontends.unicorn.state import DATA_TAG, DRAIN, FLUSH_CODE, LIMIT, SET_WAY, WATCHED_BLOCK
from coldline.jit.intrinsics import compiled, int64, load8, store8, store32, store64, uint64
from coldline.mmu.memory import PAGE_MASK, PAGE_SHIFT, page_index
from coldline.mmu.stores import table_write, tlb_invalidated
from coldline.mmu.translation import forget_page, forget_translations, next_page, translate, translate_code
from coldline.mmu.view import ADDRESS_MASK, NOWHERE, TAG_SHIFT

_READ_AND_WRITE = const.UC_PROT_READ | const.UC_PROT_WRITE
_EXECUTE, _ALL_PERMISSIONS = const.UC_PROT_EXEC, const.UC_PROT_ALL
_PAGE_SIZE = 1 << PAGE_SHIFT
_ZVA = int(Op.DC_ZVA)
_IC_IVAU, _IC_IALLU, _IC_IALLUIS = int(Op.IC_IVAU), int(Op.IC_IALLU), int(Op.IC_IALLUIS)
_SETWAY = (int(Op.DC_ISW), int(Op.DC_CSW), int(Op.DC_CISW))
_ISW, _CISW, _IVAC, _CIVAC = int(Op.DC_ISW), int(Op.DC_CISW), int(Op.DC_IVAC), int(Op.DC_CIVAC)
_MEM_FETCH = const.UC_MEM_FETCH
_FIRST_BARRIER = min(int(op) for op in Op if op.kind is Kind.BARRIER)
_FLUSH_TLB = const.UC_CTL_IO_WRITE << 30 | const.UC_CTL_TLB_FLUSH
_CPSR = arm_const.UC_ARM_REG_CPSR
_IT = 0x0600_FC00
"""CPSR's IT bits (Arm ARM DDI 0406C B1.3.3)."""

_UNKNOWN = int(InstructionState.UNKNOWN)
STOPPED = -2


@compiled
def stop(uc: Any, s: Any, reason: int) -> None:
    """Stop the emulator, with the right program counter."""
    s.reason = uint64(reason)
    if s.skip_sync:
        store8(s.skip_sync, np.uint8(0))
    call_stop(s.uc_emu_stop, uc)


@compiled
def read_register(uc: Any, s: Any, register: int) -> Any:
    """A register by the emulator's number for it, of 32 or 64 bits."""
    s.scratch = uint64(0)
    call_register(s.uc_reg_read, uc, register, s.scratch_at)
    return s.scratch


@compiled
def write_register(uc: Any, s: Any, register: int, value: Any) -> None:
    """Set one."""
    s.scratch = value
    call_register(s.uc_reg_write, uc, register, s.scratch_at)


@compiled
def leave_it(uc: Any, s: Any) -> None:
    """Undo a side effect of the emulator's look-up of the program counter, before each callback of an access.

    In a Thumb IT block the look-up also sets the IT bits of CPSR to those of the instruction. The translated code has
    already cleared them for the code after the block, which would be taken as conditional if they stayed set. The
    emulator looks it up for each translation, too, also while the look-up before callbacks is turned off.
    """
    looked_up = s.skip_sync == uint64(0) or load8(s.skip_sync) == np.uint8(0) or s.filled_tlb
    s.filled_tlb = uint64(0)
    if s.thumb and looked_up:
        cpsr = read_register(uc, s, _CPSR)
        if cpsr & uint64(_IT):
            write_register(uc, s, _CPSR, cpsr & ~uint64(_IT))


@compiled
def pass_barriers(uc: Any, s: Any) -> None:
    """Append the barriers before the present instruction that have no events yet."""
    if s.barrier_at != uint64(NOWHERE):
        append_barriers(s, read_register(uc, s, np.int32(s.pc_register)))


@compiled
def note_peers_tables(s: Any, page: int) -> None:
    """Note a store to a page that has a live table of another core."""
    for index in range(s.peers):
        if load8(s.peer_marks[index] + uint64(page)):
            s.table_stores += uint64(1)
            s.unbroadcast = uint64(1)
            return


@compiled
def _access_next_page(s: Any, tagged: int, size: int, op: int) -> None:
    """Append the event of the part of a load or store that lies on the next page."""
    following = next_page(s, tagged)
    if following < 0:
        s.crossings += uint64(1)
    elif page_index(s, following & ADDRESS_MASK) >= 0:
        emit(s, following & ADDRESS_MASK, size, op, int64(s.agent_of_tag[following >> TAG_SHIFT]), 0)


@compiled
def access(uc: Any, s: Any, tagged: Any, size: int, op: int) -> None:
    """Append the event of a load or store."""
    address = int64(tagged & uint64(ADDRESS_MASK))
    s.accesses += uint64(1)
    inside = _PAGE_SIZE - (address & PAGE_MASK)
    if s.instruction_rows:
        at_instruction(s, read_register(uc, s, np.int32(s.pc_register)))
    emit(s, address, min(size, inside), op, int64(s.agent_of_tag[tagged >> uint64(TAG_SHIFT)]), 0)
    if size > inside:
        _access_next_page(s, int64(tagged & ~uint64(DATA_TAG << TAG_SHIFT)), size - inside, op)


@compiled
def _translate_block(s: Any, address: int) -> int:
    """`translate_code` for a block; from its walks on, events are attributed to the block's first instruction."""
    first, noted = s.count, s.noted
    s.at_virtual, s.at_state = uint64(address), uint64(_UNKNOWN)
    tagged = translate_code(s, address)
    if tagged >= 0:
        s.block_physical = s.at_physical = uint64(tagged & ADDRESS_MASK)
        s.at_state = s.instruction_set
        locate_from(s, first, noted, s.at_physical, s.at_state)
    return tagged


@compiled
def begin_block(uc: Any, s: Any, address: int, size: int) -> int:
    """Prepare to run a block of code: its tagged physical address, or `STOPPED` if the emulator stops first."""
    if s.fill >= s.high_water:
        stop(uc, s, DRAIN)
        return STOPPED
    if uint64(address) == s.watched_block and s.instructions != s.watched_from:
        stop(uc, s, WATCHED_BLOCK)
        return STOPPED
    if s.several:
        follow_loop(s, uint64(address))
    if (s.instructions >= s.limit or s.yielded) and at_limit(s, uint64(address)):
        s.last_block = uint64(0)  # so that it is not taken for a loop when it comes again
        stop(uc, s, LIMIT)
        return STOPPED
    if s.swept:
        stop(uc, s, SET_WAY)
        return STOPPED
    tagged = _translate_block(s, address) if s.locates else translate_code(s, address)
    if s.stale_low < s.stale_high:
        physical = tagged & ADDRESS_MASK
        if uint64(physical) < s.stale_high and uint64(physical + size) > s.stale_low:
            stop(uc, s, FLUSH_CODE)
            return STOPPED
    if s.skip_sync:
        # A write of the program counter sets it as well.
        store8(s.skip_sync, np.uint8(0) if s.looks_up else np.uint8(1))
    return tagged


@compiled
def run_block(s: Any, tagged: int, address: int, size: int) -> None:
    """Append the event of a block's fetch."""
    physical = tagged & ADDRESS_MASK
    if tagged >= 0 and page_index(s, physical) >= 0:
        append_fetch(s, tagged, address, size)


@compiled
def answer_tlb(uc: Any, s: Any, address: int, kind: int, entry: int) -> bool:
    """Give the emulator a translation; return False for a translation fault."""
    s.filled_tlb = uint64(1)
    if kind == _MEM_FETCH:
        append_barriers(s, uint64(NOWHERE))  # the next block is wanted
    else:
        pass_barriers(uc, s)
    if s.locates and kind != _MEM_FETCH:
        at_instruction(s, read_register(uc, s, np.int32(s.pc_register)))
    else:
        at_block(s)
    physical = translate(s, address)
    if physical < 0:
        s.fault, s.faulted, s.fault_kind = uint64(address), uint64(1), uint64(kind)
        forget_barriers(s)
        return False
    if s.skip_sync and page_index(s, physical & ADDRESS_MASK) < 0:
        store8(s.skip_sync, np.uint8(0))  # no memory is there: the error names the instruction
    permissions = _ALL_PERMISSIONS
    if physical >> TAG_SHIFT:
        permissions = _EXECUTE
        if kind != _MEM_FETCH:
            physical |= DATA_TAG << TAG_SHIFT
            permissions = _READ_AND_WRITE
    store64(entry, uint64(physical & ~PAGE_MASK))
    store32(entry + uint64(8), np.uint32(permissions))
    return True


@compiled
def _zero_block(s: Any, address: int) -> None:
    for bank in range(s.banks):
        offset = uint64(address) - s.bank_base[bank]
        if offset < s.bank_size[bank]:
            for index in range(0, ZVA_BLOCK, 8):
                store64(s.bank_pointer[bank] + offset + uint64(index), uint64(0))


@compiled
def _end_old_bytes(s: Any, op: int, address: Any, end: Any) -> None:
    """Note an operation after which old bytes are no longer given; the core is stopped before its next block."""
    if (s.kept_ends >> uint64(op)) & uint64(1) and address < s.kept_high and end > s.kept_low:
        s.kept_over, s.limit = uint64(1), uint64(0)


@compiled
def _sweep(s: Any, op: int) -> None:
    """Append set/way maintenance: one event for each bank at the first instruction of a sweep over a cache.

    A sweep is intended to reach all of RAM once. Any store, or other maintenance, ends it.
    """
    if s.upgrades and s.el == 1 and op == _ISW:
        op = _CISW
    if s.sweep != uint64(1 + op):
        s.sweep, s.swept = uint64(1 + op), uint64(1)
        for bank in range(s.banks):
            emit(s, int64(s.bank_base[bank]), int64(s.bank_size[bank]), op, 0, 0)
        _end_old_bytes(s, op, uint64(0), uint64(NOWHERE))


@compiled
def maintain(s: Any, op: int, value: int) -> bool:
    """Append the event of a cache maintenance instruction; return True if the emulator need not do it."""
    if op >= _FIRST_BARRIER:
        append_barrier(s, op)
        return False
    s.effects += uint64(1)
    if op in (_IC_IALLU, _IC_IALLUIS):
        s.stale_low, s.stale_high = uint64(0), uint64(NOWHERE)
        emit(s, 0, 0, op, 0, 0)
        _end_old_bytes(s, op, uint64(0), uint64(NOWHERE))
        return False
    if op in _SETWAY:
        _sweep(s, op)
        return False
    s.sweep = uint64(0)
    tagged = translate(s, value)
    length = ZVA_BLOCK if op == _ZVA else int64(s.line)
    address = (tagged & ADDRESS_MASK) & ~(length - 1)
    if tagged < 0 or page_index(s, address) < 0:
        return False
    if op == _IC_IVAU:
        s.stale_low = min(s.stale_low, uint64(address))
        s.stale_high = max(s.stale_high, uint64(address + length))
    if s.upgrades and s.el == 1 and op == _IVAC:
        op = _CIVAC
    emit(s, address, length, op, int64(s.agent_of_tag[tagged >> TAG_SHIFT]), 0)
    _end_old_bytes(s, op, uint64(address), uint64(address + length))
    if op == _ZVA:
        s.accesses += uint64(1)
        page = page_index(s, address)
        note_peers_tables(s, page)
        if s.virtual and load8(s.marks + uint64(page)):
            for offset in range(0, ZVA_BLOCK, 8):
                table_write(s, address + offset, 8, 0, page)
        _zero_block(s, address)
        return True
    return False


@compiled
def invalidate_tlb(uc: Any, s: Any, by_address: bool, address: int, broadcast: bool) -> None:
    """Follow a TLB invalidation, of this core or a `broadcast` to all.

    By address, forget one page if only pages were removed there, else all: the emulator itself drops one page where
    the architecture drops the block that the page is in.
    """
    s.effects += uint64(1)
    if broadcast:
        s.broadcasts += uint64(1)
        s.unbroadcast = uint64(0)
    if s.locates:
        at_instruction(s, read_register(uc, s, np.int32(s.pc_register)))
    if tlb_invalidated(s, not by_address, address, address, broadcast) or not by_address:
        forget_translations(s)
        call_control(s.uc_ctl, uc, _FLUSH_TLB)
    else:
        forget_page(s, uint64(address) >> uint64(PAGE_SHIFT))


@compiled
def invalidate_other_level(uc: Any, s: Any) -> None:
    """Follow a TLB invalidation of another exception level's translations."""
    s.effects += uint64(1)
    forget_translations(s)
    call_control(s.uc_ctl, uc, _FLUSH_TLB)
