# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes events of cache maintenance and barriers, and follows TLB invalidations.

`m` is the record of a machine, `s` that of a view: see `coldline.frontends.qemu.state`. Imported only to compile.
"""

from typing import Any

from coldline.arm.maintenance import TLBI_CRN
from coldline.arm.vmsa import LPA2
from coldline.events.event import ZVA_BLOCK
from coldline.events.op import Op
from coldline.frontends.qemu import records
from coldline.frontends.qemu.accesses import add_event, begin, tell_ic
from coldline.frontends.qemu.known import forget_line, forget_lines
from coldline.frontends.qemu.state import CP15, HOST, STAGE2_LEVEL
from coldline.frontends.qemu.table_stores import follow_store_in_page, gather_users
from coldline.frontends.qemu.views import gather_from, is_wanted, leave_view, view_of
from coldline.jit.intrinsics import compiled, int64, load8, load64, uint64
from coldline.mmu.formats import address_form
from coldline.mmu.memory import PAGE_SHIFT, page_index
from coldline.mmu.stage2_maps import stage2_invalidated
from coldline.mmu.stores import settle_half, tlb_invalidated
from coldline.mmu.tables import rescan
from coldline.mmu.translation import forget_page, forget_translations, translate
from coldline.mmu.view import ADDRESS_MASK, TAG_SHIFT

_ZVA, _IVAC, _CIVAC = int(Op.DC_ZVA), int(Op.DC_IVAC), int(Op.DC_CIVAC)
_IC_IALLU, _IC_IALLUIS = int(Op.IC_IALLU), int(Op.IC_IALLUIS)
_SETWAY = (int(Op.DC_ISW), int(Op.DC_CSW), int(Op.DC_CISW))
_ISW, _CISW = int(Op.DC_ISW), int(Op.DC_CISW)
_DSB, _DMB, _ISB = int(Op.DSB), int(Op.DMB), int(Op.ISB)
_RECORD_DSB, _RECORD_DMB = records.DSB, records.DMB
_TLBI_LOCAL, _TLBI_BROADCAST = 7, (1, 3)
"""CRm of the operations for this core, and for the outer and the inner shareable domain (Arm ARM DDI 0487 C5.5)."""

_TLBI_INNER_SHAREABLE = 3
_WORD = (1 << 32) - 1

_TLBI_LOCAL_RANGE, _TLBI_RANGE = 6, (2, 5, 6)
"""CRm of those by a range of addresses: for this core, and all."""

_TLBI_LOCAL_IPA, _TLBI_INTERMEDIATE = 4, (0, 4)
"""CRm of those by intermediate address: for this core or the outer shareable domain, and for the inner one."""

_BY_RANGE = 2
"""The bit of op2 that those of a range of them have."""

_ALLE1, _VMALLS12E1 = 4, 6
"""op2 of those of all guests, and of the present guest's stages 1 and 2."""

_PAGES, _RANGE_BASE = (1 << 40) - 1, (1 << 37) - 1
_LPA2_RANGE_SHIFT = 16
"""log2 of the unit of a range's base where TCR's DS is set, whatever the granule is."""


@compiled
def _zero(m: Any, s: Any, address: int) -> None:
    for offset in range(0, ZVA_BLOCK, 8):
        follow_store_in_page(m, s, address + offset, 8, uint64(0))


@compiled
def _sweep(m: Any, s: Any, op: int, code: int) -> None:
    """Add set/way maintenance: one event for each bank at the first instruction of a sweep over a cache.

    A sweep is intended to reach all of RAM once. Any other maintenance ends it.
    """
    if s.upgrades and op == _ISW:
        op = _CISW
    if m.sweep != uint64(1 + op):
        m.sweep = uint64(1 + op)
        forget_lines(m)
        for bank in range(s.banks):
            begin, end = int64(s.bank_base[bank]), int64(s.bank_base[bank] + s.bank_size[bank])
            if m.unpacked:
                for page in range(begin, end, 1 << PAGE_SHIFT):
                    if not is_wanted(m, s, page):
                        if page > begin:
                            add_event(m, s, begin, page - begin, op, 0, code)
                        begin = page + (1 << PAGE_SHIFT)
            if begin < end:
                add_event(m, s, begin, end - begin, op, 0, code)


@compiled
def _maintain(m: Any, s: Any, op: int, operand: int, code: int) -> None:
    """Add the event of a cache maintenance instruction."""
    m.maintained += uint64(1)
    if op in _SETWAY:
        if not s.no_set_way:
            _sweep(m, s, op, code)
        return
    m.sweep = uint64(0)
    if op in (_IC_IALLU, _IC_IALLUIS):
        forget_lines(m)
    if op == _IC_IALLUIS and m.filters:
        m.ic_count += uint64(1)
        m.ic_agent, m.ic_code = s.agent_base, uint64(code)
        return
    if op in (_IC_IALLU, _IC_IALLUIS):
        tell_ic(m)
        add_event(m, s, 0, 0, op, 0, code)
        return
    begin(m, s, code)
    tagged = translate(s, operand)
    length = ZVA_BLOCK if op == _ZVA else int64(m.line)
    address = (tagged & ADDRESS_MASK) & ~(length - 1)
    if tagged < 0 or page_index(s, address) < 0:
        return
    if s.upgrades and op == _IVAC:
        op = _CIVAC
    forget_line(m, address)
    if is_wanted(m, s, address):
        add_event(m, s, address, length, op, tagged >> TAG_SHIFT, code)
    if op == _ZVA:
        _zero(m, s, address)


@compiled
def _invalidate_view(m: Any, s: Any, is_current: bool, everything: bool, first: int, last: int) -> None:
    """Follow a TLB invalidation in one view, of everything or of some virtual addresses."""
    if not is_current:
        leave_view(m)
    settle_half(s)
    if everything and s.old_roots:
        s.old_roots = uint64(0)
        if s.virtual:
            rescan(s)
    blocks = tlb_invalidated(s, everything, first, last, True)
    if blocks or everything or first != last:
        forget_translations(s)
    else:
        forget_page(s, uint64(first) >> uint64(PAGE_SHIFT))
    if not is_current:
        gather_from(m, s)


@compiled
def _invalidate_stage2(m: Any, t: Any, everything: bool, first: int, last: int) -> None:
    """Follow a TLB invalidation of a stage 2; the translations of the views may come from what it removes."""
    leave_view(m)
    concerned = everything or (t.rescan_low <= uint64(last) and uint64(first) <= t.rescan_high)
    if t.rescan and t.virtual and concerned:
        rescan(t)
        everything = True
    stage2_invalidated(t, everything, first, last)
    for index in range(t.user_count):
        forget_translations(view_of(load64(t.users + uint64(8 * index))))
    gather_users(m, t)


@compiled
def _granule_of(operand: int) -> int:
    """log2 of the granule that the operand of a TLBI by range names, 0 if it names none (Arm ARM DDI 0487 C5.5)."""
    granule = operand >> 46 & 3
    return 10 + 2 * granule if granule else 0


@compiled
def _size_of(operand: int) -> int:
    """The bytes that the operand of a TLBI by range names: (NUM + 1) * 2^(5 * SCALE + 1) granules."""
    granules = (operand >> 39 & 31) + 1 << 5 * (operand >> 44 & 3) + 1
    return granules << _granule_of(operand)


@compiled
def _range_of(each: Any, operand: int, of_stage2: bool) -> tuple[int, int]:
    """The first and the last address that the operand of a TLBI by range names, for a view.

    BaseADDR has 37 bits; the bits of a virtual address above them are those of its highest one.
    """
    shift = _granule_of(operand)
    if address_form(each, shift) == LPA2:
        shift = _LPA2_RANGE_SHIFT
    first = (operand & _RANGE_BASE) << shift if of_stage2 else (operand << 27) >> 27 << shift
    return first, first + _size_of(operand) - 1


@compiled
def _invalidate(m: Any, s: Any, vcpu: int, key: int, operand: int) -> None:
    """Follow a TLBI: `key` has op1, CRn, CRm and op2 (Arm ARM DDI 0487 C5.5)."""
    op1, crm, op2 = key >> 11 & 7, key >> 3 & 0xF, key & 7
    level = 1 if op1 == 0 else 3 if op1 == 6 else 2
    by_range = crm in _TLBI_RANGE
    by_address = op2 & 1 != 0 and (crm == _TLBI_LOCAL or crm in _TLBI_BROADCAST or by_range)
    local = crm in (_TLBI_LOCAL, _TLBI_LOCAL_RANGE)
    of_stage1, of_stage2, all_guests = True, False, False
    if op1 == 4 and crm in _TLBI_INTERMEDIATE:
        level, of_stage1, of_stage2, by_address, by_range = 1, False, True, True, op2 & _BY_RANGE != 0
        local = crm == _TLBI_LOCAL_IPA
    elif op1 == 4 and op2 in (_ALLE1, _VMALLS12E1):
        level, of_stage2, all_guests, by_address = 1, True, op2 == _ALLE1, False
    if level == 1 and s.level == uint64(1) and s.broadcasts:
        local = False
    guest, selected = load64(m.guests + uint64(8 * vcpu)), load64(m.selected + uint64(8 * vcpu))
    if level == 1 and guest == uint64(HOST):
        if not all_guests and not of_stage2:
            level = 2
        guest = uint64(0)
    by_address = by_address and (not by_range or _granule_of(operand) != 0)
    # The operand has VA[55:12]; the bits above are those of bit 55. An intermediate address has 40 bits there.
    first = (operand & _PAGES) << PAGE_SHIFT if of_stage2 else (operand << 20) >> 20 << PAGE_SHIFT
    last = first
    for index in range(m.view_count):
        at = load64(m.all_views + uint64(8 * index))
        each = view_of(at)
        if level == 1 and not all_guests and each.guest != guest and each.guest != selected:
            continue
        if by_range and by_address:
            first, last = _range_of(each, operand, of_stage2)
        if of_stage2 and each.level == uint64(STAGE2_LEVEL):
            _invalidate_stage2(m, each, not by_address, first, last)
        elif of_stage1 and each.level == uint64(level) and (not local or each.vcpu == uint64(vcpu)):
            _invalidate_view(m, each, at == m.current, not by_address, first, last)


@compiled
def obey(m: Any, s: Any, vcpu: int, key: int, operand: int, code: int) -> None:
    """Follow a SYS instruction ; `key` has op1, CRn, CRm and op2."""
    if key >> 7 & 0xF == TLBI_CRN:
        _invalidate(m, s, vcpu, key, operand)
        return
    op = int64(load8(m.maintenance + uint64(key)))
    if op:
        _maintain(m, s, op - 1, operand, code)


@compiled
def _invalidation_of(s: Any, key: int) -> int:
    """The A64 encoding of what a TLB operation of CP15 does (Arm ARM DDI 0406C B4.2.2, B4.2.3).

    Those of Hyp mode (opc1 is 4) have the encodings of their like in A64. The others are of PL1&0, in Secure state
    of EL3's regime; TLBIALL in Hyp mode is of both stages of the present guest.
    """
    opc1, crm, op2 = key >> 11 & 7, key >> 3 & 0xF, key & 7
    if opc1 == 4:
        return key
    if crm != _TLBI_INNER_SHAREABLE:
        crm = _TLBI_LOCAL  # those of the instruction and of the data TLB too
    op1 = 0
    if s.level == uint64(2) and op2 == 0:
        op1, op2 = 4, _VMALLS12E1
    elif s.level == uint64(3):
        op1 = 6
    return op1 << 11 | TLBI_CRN << 7 | crm << 3 | op2


@compiled
def obey_cp15(m: Any, s: Any, vcpu: int, key: int, operand: int, code: int) -> None:
    """Follow an operation of CP15; `key` has opc1, CRn, CRm and opc2."""
    operand &= _WORD
    if key >> 7 & 0xF == TLBI_CRN:
        by_intermediate = key >> 11 == 4 and key >> 3 & 0xF in _TLBI_INTERMEDIATE
        _invalidate(
            m, s, vcpu, _invalidation_of(s, key), operand if by_intermediate else operand >> PAGE_SHIFT
        )
        return
    op = int64(load8(m.maintenance + uint64(CP15 + key)))
    if op:
        _maintain(m, s, op - 1, operand, code)


@compiled
def pass_barrier(m: Any, s: Any, which: int, code: int) -> None:
    """Add the event of a barrier."""
    add_event(m, s, 0, 0, _DSB if which == _RECORD_DSB else _DMB if which == _RECORD_DMB else _ISB, 0, code)
