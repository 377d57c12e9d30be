# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled loop over the plugin's records.

`m` is the record of a machine, `s` that of a view: see `coldline.frontends.qemu.state`. Imported only to compile.
"""

from typing import Any

from numba import carray, cfunc, types

from coldline.events.batch import InstructionState
from coldline.events.op import Op
from coldline.frontends.qemu import records
from coldline.frontends.qemu.accesses import add_access, add_fetch
from coldline.frontends.qemu.records import Head, RecordKind
from coldline.frontends.qemu.state import (
    AARCH32,
    CONSUMED,
    NEW_VIEW,
    REGIMES,
    REGISTERS_CHANGED,
    ROWS,
    ROWS_FULL,
)
from coldline.frontends.qemu.system import obey, obey_cp15, pass_barrier
from coldline.frontends.qemu.table_stores import follow_store, physical_of
from coldline.frontends.qemu.views import MACHINE, VIEW, gather_from, leave_view, view_of
from coldline.jit.intrinsics import compiled, int64, load64, uint64
from coldline.mmu.entries import entries_for
from coldline.mmu.stores import settle_half
from coldline.mmu.view import NOWHERE

_RECORD, _RING_MASK = records.RECORD_SIZE, records.CAPACITY - 1
_KIND, _VCPU, _LEVEL = Head.KIND.mask, Head.VCPU.lsb, Head.LEVEL.lsb
_VCPU_ONES, _LEVEL_ONES = Head.VCPU.mask >> _VCPU, Head.LEVEL.mask >> _LEVEL
_SIZE, _SIZE_ONES = Head.SIZE.lsb, Head.SIZE.mask >> Head.SIZE.lsb
_SET, _SET_ONES = Head.SET.lsb, Head.SET.mask >> Head.SET.lsb
_A64 = int(InstructionState.A64)
_INDEX, _INDEX_ONES = Head.INDEX.lsb, Head.INDEX.mask >> Head.INDEX.lsb
_BLOCK, _LOAD, _STORE, _SYSTEM, _BARRIER = (
    RecordKind.BLOCK,
    RecordKind.LOAD,
    RecordKind.STORE,
    RecordKind.SYSTEM,
    RecordKind.BARRIER,
)
_REGISTER = RecordKind.REGISTER
_AARCH32 = records.LEVEL_AARCH32
_ADDRESS_BITS, _ADDRESS = records.PHYSICAL_BITS, (1 << records.PHYSICAL_BITS) - 1
_READ, _WRITE = int(Op.READ), int(Op.WRITE)


@compiled
def _take(m: Any, s: Any, at: Any, head: int, kind: int, vcpu: int) -> None:
    """Take one record of a view."""
    first, second = int64(load64(at + uint64(8))), load64(at + uint64(16))
    index = head >> _INDEX & _INDEX_ONES
    physical = int64(second & uint64(_ADDRESS))
    block = int64(second >> uint64(_ADDRESS_BITS)) << 16
    if kind == _LOAD:
        add_access(m, s, first, physical, head >> _SIZE & _SIZE_ONES, _READ, block | index)
    elif kind == _BLOCK:
        if s.half_at != uint64(NOWHERE):
            settle_half(s)
        place = block | int64(load64(at + uint64(24)))
        state = head >> _SET & _SET_ONES
        add_fetch(m, s, first, -1 if physical == _ADDRESS else physical, index, place, state)
    elif kind == _STORE:
        size = head >> _SIZE & _SIZE_ONES
        if physical == _ADDRESS:
            physical = -1
        add_access(m, s, first, physical, size, _WRITE, block | index)
        if physical < 0:
            physical = physical_of(s, first)
        if physical >= 0:
            follow_store(m, s, first, physical, size, load64(at + uint64(24)))
    elif kind == _SYSTEM:
        if head >> _SET & _SET_ONES != _A64:
            obey_cp15(m, s, vcpu, index, first, block | physical)
        else:
            obey(m, s, vcpu, index, first, block | physical)
    elif kind == _BARRIER:
        pass_barrier(m, s, index, block | physical)


@cfunc(types.int64(MACHINE, types.uintp, types.uint64, types.int64))
def consume(user: Any, ring: int, taken: int, count: int) -> int:
    """Take up to `count` records from number `taken` on; return how many were, and leave the reason in `m`."""
    m = carray(user, (1,))[0]
    m.reason = uint64(CONSUMED)
    for number in range(count):
        at = uint64(ring) + ((uint64(taken) + uint64(number)) & uint64(_RING_MASK)) * uint64(_RECORD)
        head = int64(load64(at))
        kind, vcpu = head & _KIND, head >> _VCPU & _VCPU_ONES
        if kind == _REGISTER:
            m.reason = uint64(REGISTERS_CHANGED)
            return number
        level = head >> _LEVEL & _LEVEL_ONES
        if level == _AARCH32:
            m.reason = uint64(AARCH32)
            return number
        wanted = load64(m.views + uint64(8 * (vcpu * REGIMES + max(level, 1))))
        if wanted == uint64(0):
            m.reason = uint64(NEW_VIEW)
            return number
        if wanted != m.current:
            leave_view(m)
            m.current = wanted
        if m.count >= uint64(ROWS):
            m.reason = uint64(ROWS_FULL)
            return number
        _take(m, view_of(wanted), at, head, kind, vcpu)
    return count


@cfunc(types.void(MACHINE))
def leave(user: Any) -> None:
    """Move the events of the present view to those of the machine."""
    leave_view(carray(user, (1,))[0])


@cfunc(types.void(MACHINE, VIEW))
def gather(user: Any, view: Any) -> None:
    """Move the events of a view to those of the machine, with what it holds back."""
    gather_from(carray(user, (1,))[0], carray(view, (1,))[0])


EXPORTS = {**entries_for(VIEW), **{each.__name__: each for each in (consume, leave, gather)}}
