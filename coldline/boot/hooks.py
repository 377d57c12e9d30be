# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulator's callbacks, compiled: every access of the guest becomes an event.

The emulator asks us for each translation (UC_TLB_VIRTUAL), so every table walk is ours to see, and the
physical address that we answer with carries the access's memory type in a tag that memory callbacks get back.
"""

from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types
from unicorn import arm64_const
from unicorn import unicorn_const as const

from coldline.arm import fields
from coldline.arm.maintenance import TLBI_CRN
from coldline.boot.emit import NOWHERE, emit, page_index, settle, switch, unpack
from coldline.boot.native import (
    call_control,
    call_register,
    call_stop,
    compiled,
    int64,
    load8,
    load32,
    load64,
    store8,
    store32,
    store64,
    uint64,
)
from coldline.boot.state import (
    ADDRESS_MASK,
    DATA_TAG,
    DRAIN,
    FLUSH_CODE,
    LIMIT,
    SWITCH,
    TAG_SHIFT,
    WATCHED,
    Record,
)
from coldline.boot.tables import change_level, register_root, rescan, table_write, tlb_invalidated
from coldline.boot.translate import (
    PAGE_MASK,
    forget_page,
    forget_translations,
    note_pc,
    translate,
    translate_code,
)
from coldline.trace.events import Op

_STATE = types.CPointer(from_dtype(np.dtype(Record)))
_PAGE_NUMBERS = np.uint64((1 << 52) - 1)
_TLBI_OUTER_OR_LOCAL = (3, 7)
_READ_AND_WRITE = const.UC_PROT_READ | const.UC_PROT_WRITE
_EXECUTE, _ALL_PERMISSIONS = const.UC_PROT_EXEC, const.UC_PROT_ALL
_LINE = 64
_READ, _WRITE, _FETCH = int(Op.READ), int(Op.WRITE), int(Op.FETCH)
_ZVA = int(Op.DC_ZVA)
_IC_IVAU, _IC_IALLU, _IC_IALLUIS = int(Op.IC_IVAU), int(Op.IC_IALLU), int(Op.IC_IALLUIS)
_SETWAY = (int(Op.DC_ISW), int(Op.DC_CSW), int(Op.DC_CISW))
_ISW, _CISW, _IVAC, _CIVAC = int(Op.DC_ISW), int(Op.DC_CISW), int(Op.DC_IVAC), int(Op.DC_CIVAC)
_MEM_FETCH = const.UC_MEM_FETCH
_PC = arm64_const.UC_ARM64_REG_PC
_PSTATE = arm64_const.UC_ARM64_REG_PSTATE
_FLUSH_TLB = const.UC_CTL_IO_WRITE << 30 | const.UC_CTL_TLB_FLUSH
_WATCHED_KEYS = tuple(WATCHED)
_COUNTERS = tuple(register.key for register in (fields.CNTPCT_EL0, fields.CNTVCT_EL0, fields.PMCCNTR_EL0))


@compiled
def _stop(uc: Any, s: Any, reason: int) -> None:
    """Stop with the program counter in step."""
    s.reason = uint64(reason)
    if s.skip_sync:
        store8(s.skip_sync, np.uint8(0))
    call_stop(s.uc_emu_stop, uc)


@compiled
def _see_level(uc: Any, s: Any) -> None:
    """Notice that the guest has changed its exception level; EL0 is of EL1's regime."""
    call_register(s.uc_reg_read, uc, _PSTATE, s.scratch_at)
    level = max((s.scratch >> uint64(2)) & uint64(3), uint64(1))
    if level != s.el:
        change_level(s, level)
        forget_translations(s)


@compiled
def _access(uc: Any, s: Any, tagged: Any, size: int, op: int) -> None:
    """Append the event of a load or store; the emulator waits, so what is rare stands aside."""
    address = int64(tagged & uint64(ADDRESS_MASK))
    s.accesses += uint64(1)
    inside = 4096 - (address & PAGE_MASK)
    if size > inside:
        s.crossings += uint64(1)
        size = inside
    emit(s, address, size, op, int64(s.agent_of_tag[tagged >> uint64(TAG_SHIFT)]), 0)
    if s.pcs:
        call_register(s.uc_reg_read, uc, _PC, s.scratch_at)
        note_pc(s, int64(s.scratch))


@cfunc(types.void(types.voidptr, types.int32, types.uint64, types.int32, types.int64, _STATE))
def on_read(uc: Any, kind: int, tagged: int, size: int, value: int, user: Any) -> None:
    """A load is about to happen."""
    s = carray(user, (1,))[0]
    if page_index(s, int64(tagged & uint64(ADDRESS_MASK))) >= 0:
        _access(uc, s, tagged, size, _READ)


@cfunc(types.void(types.voidptr, types.int32, types.uint64, types.int32, types.int64, _STATE))
def on_write(uc: Any, kind: int, tagged: int, size: int, value: int, user: Any) -> None:
    """A store is about to happen."""
    s = carray(user, (1,))[0]
    address = int64(tagged & uint64(ADDRESS_MASK))
    page = page_index(s, address)
    if page >= int64(s.flash_pages):
        if s.virtual and load8(s.levels + uint64(page)):
            table_write(s, address, min(size, 4096 - (address & PAGE_MASK)), value, page)
        s.sweep = uint64(0)
        _access(uc, s, tagged, size, _WRITE)


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, _STATE))
def on_block(uc: Any, address: int, size: int, user: Any) -> None:
    """A run of instructions is about to be executed; a stop asked for here comes before its first one."""
    s = carray(user, (1,))[0]
    s.block = address
    if s.has_el2:
        _see_level(uc, s)
    if s.fill >= s.high_water:
        _stop(uc, s, DRAIN)
        return
    if s.instructions >= s.limit:
        _stop(uc, s, LIMIT)
        return
    tagged = translate_code(s, int64(address))
    physical = tagged & ADDRESS_MASK
    if s.stale_low < s.stale_high:
        end = uint64(physical + int64(size))
        if uint64(physical) < s.stale_high and end > s.stale_low:
            _stop(uc, s, FLUSH_CODE)
            return
    if s.skip_sync:
        store8(s.skip_sync, np.uint8(1))
    s.instructions += uint64(size >> 2)
    if tagged >= 0 and page_index(s, physical) >= 0:
        emit(s, physical, int64(size), _FETCH, int64(s.agent_of_tag[tagged >> TAG_SHIFT]), 0)
        note_pc(s, int64(address))


@cfunc(types.boolean(types.voidptr, types.uint64, types.int32, types.uintp, _STATE))
def on_tlb_fill(uc: Any, address: int, kind: int, entry: int, user: Any) -> bool:
    """The emulator needs a translation; False is a translation fault."""
    s = carray(user, (1,))[0]
    _see_level(uc, s)
    physical = translate(s, int64(address))
    if physical < 0:
        s.fault, s.faulted = address, uint64(1)
        return False
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
def _encoding(register: int) -> int:
    """What `SystemRegister.key` gives, from the emulator's description of the instruction."""
    crn, crm = int64(load32(register)), int64(load32(register + uint64(4)))
    op0, op1 = int64(load32(register + uint64(8))), int64(load32(register + uint64(12)))
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | int64(load32(register + uint64(16)))


@compiled
def _zero_block(s: Any, address: int) -> None:
    for bank in range(s.banks):
        offset = uint64(address) - s.bank_base[bank]
        if offset < s.bank_size[bank]:
            for index in range(0, _LINE, 8):
                store64(s.bank_pointer[bank] + offset + uint64(index), uint64(0))


@compiled
def _sweep(s: Any, op: int) -> None:
    """Set/way maintenance comes as a sweep over a cache's lines: it is meant to reach all of RAM, once.

    The instructions of one sweep are one event a bank, at the first of them; any store or other maintenance
    ends the sweep.
    """
    if s.stage2 and s.el == 1 and op == _ISW:
        op = _CISW
    if s.sweep != uint64(1 + op):
        s.sweep = uint64(1 + op)
        for bank in range(s.banks):
            emit(s, int64(s.bank_base[bank]), int64(s.bank_size[bank]), op, 0, 0)


@compiled
def _maintain(s: Any, op: int, value: int) -> bool:
    """A cache maintenance instruction with its register's value; True where it was carried out here."""
    if op in (_IC_IALLU, _IC_IALLUIS):
        s.stale_low, s.stale_high = uint64(0), uint64(NOWHERE)
        emit(s, 0, 0, op, 0, 0)
        return False
    if op in _SETWAY:
        _sweep(s, op)
        return False
    s.sweep = uint64(0)
    tagged = translate(s, value)
    address = (tagged & ADDRESS_MASK) & ~(_LINE - 1)
    if tagged < 0 or page_index(s, address) < 0:
        return False
    if op == _IC_IVAU:
        s.stale_low = min(s.stale_low, uint64(address))
        s.stale_high = max(s.stale_high, uint64(address + _LINE))
    if s.stage2 and s.el == 1 and op == _IVAC:
        op = _CIVAC
    emit(s, address, _LINE, op, int64(s.agent_of_tag[tagged >> TAG_SHIFT]), 0)
    if op == _ZVA:
        s.accesses += uint64(1)
        page = page_index(s, address)
        if s.virtual and load8(s.levels + uint64(page)):
            for offset in range(0, _LINE, 8):
                table_write(s, address + offset, 8, 0, page)
        _zero_block(s, address)
        return True
    return False


@compiled
def _invalidate_tlb(uc: Any, s: Any, key: int, value: Any) -> None:
    """TLBI: by address it concerns one page where only pages were taken out of the tables, else all.

    The emulator itself drops one page where the architecture drops the block that the page is in.
    """
    by_address = (key >> 3) & 0xF in _TLBI_OUTER_OR_LOCAL and key & 1
    # The operand has VA[55:12]; the bits above are those of bit 55.
    page = (int64(value) << 20) >> 20
    if tlb_invalidated(s, not by_address, page << 12) or not by_address:
        forget_translations(s)
        call_control(s.uc_ctl, uc, _FLUSH_TLB)
    else:
        forget_page(s, uint64(page) & _PAGE_NUMBERS)


@cfunc(types.uint32(types.voidptr, types.int32, types.uintp, _STATE))
def on_sys(uc: Any, register_id: int, register: int, user: Any) -> int:
    """SYS: cache and TLB maintenance. Not 0 where the emulator must not do it itself."""
    s = carray(user, (1,))[0]
    key = _encoding(register)
    if (key >> 7) & 0xF == TLBI_CRN:
        _invalidate_tlb(uc, s, key, load64(register + uint64(24)))
        return 0
    op = int64(load8(s.maintenance + uint64(key & 0x3FFF)))
    if op:
        done = _maintain(s, op - 1, int64(load64(register + uint64(24))))
        return 1 if done else 0
    return 0


@cfunc(types.uint32(types.voidptr, types.int32, types.uintp, _STATE))
def on_msr(uc: Any, register_id: int, register: int, user: Any) -> int:
    """MSR: a register that decides what accesses are stops the emulator, right after it has been written."""
    s = carray(user, (1,))[0]
    key = _encoding(register)
    if key in _WATCHED_KEYS:
        _stop(uc, s, SWITCH)
    return 0


@cfunc(types.uint32(types.voidptr, types.int32, types.uintp, _STATE))
def on_mrs(uc: Any, register_id: int, register: int, user: Any) -> int:
    """MRS: time is the number of instructions, so that a run can be had again just as it was."""
    s = carray(user, (1,))[0]
    if _encoding(register) in _COUNTERS:
        s.scratch = s.instructions
        call_register(s.uc_reg_write, uc, register_id, s.scratch_at)
        return 1
    return 0


# What the driver calls between runs -------------------------------------------------------------------------


@cfunc(types.void(_STATE))
def settle_held(user: Any) -> None:
    """See `tables.settle`."""
    settle(carray(user, (1,))[0])


@cfunc(types.void(_STATE))
def rescan_tables(user: Any) -> None:
    """See `tables.rescan`."""
    rescan(carray(user, (1,))[0])


@cfunc(types.void(_STATE, types.boolean))
def add_root(user: Any, upper: bool) -> None:
    """See `tables.register_root`."""
    register_root(carray(user, (1,))[0], upper)


@cfunc(types.void(_STATE, types.int64, types.int64))
def switch_sctlr(user: Any, sctlr: int, before: int) -> None:
    """See `tables.switch`."""
    switch(carray(user, (1,))[0], sctlr, before)


@cfunc(types.void(types.uintp, types.int64, types.uintp))
def unpack_events(words: int, events: int, rows: int) -> None:
    """See `emit.unpack`."""
    unpack(words, events, rows)


EXPORTS = {
    function.__name__: function
    for function in (
        on_read,
        on_write,
        on_block,
        on_tlb_fill,
        on_sys,
        on_msr,
        on_mrs,
        settle_held,
        rescan_tables,
        add_root,
        switch_sctlr,
        unpack_events,
    )
}
