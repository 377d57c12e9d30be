# SPDX-License-Identifier: GPL-2.0-or-later
"""Appends events to the state's words: accesses, the guest's switches, and changes of its aliases.

All functions here are compiled into the emulator's callbacks; `s` is the record of
`coldline.frontends.unicorn.state`.
"""

from typing import Any

from coldline.arm.fields import Sctlr
from coldline.events.batch import INSTRUCTION_SIZE, InstructionState
from coldline.events.layout import EVENT_SIZE, EXECUTABLE
from coldline.events.op import Op
from coldline.frontends.unicorn.intrinsics import compiled, int64, load64, store64, stream64, uint64
from coldline.frontends.unicorn.packed import (
    AGENT_SHIFT,
    ATTRIBUTES_SHIFT,
    LONG,
    LONG_WORDS,
    LONGEST,
    OP_SHIFT,
    SIZE_SHIFT,
)
from coldline.frontends.unicorn.state import ADDRESS_MASK, WORDS, agent_of

_M = Sctlr.M.mask
_C = Sctlr.C.mask
_I = Sctlr.I.mask
_MAP, _UNMAP = int(Op.MAP), int(Op.UNMAP)
_MMU_ON, _MMU_OFF = int(Op.MMU_ON), int(Op.MMU_OFF)
_ICACHE_ON, _ICACHE_OFF = int(Op.ICACHE_ON), int(Op.ICACHE_OFF)
_DCACHE_ON, _DCACHE_OFF = int(Op.DCACHE_ON), int(Op.DCACHE_OFF)
_UNKNOWN = int(InstructionState.UNKNOWN)
NOWHERE = 0xFFFFFFFFFFFFFFFF


@compiled
def append(s: Any, address: int, size: int, op: int, agent: int, attributes: int) -> None:
    """Append an event, as `coldline.frontends.unicorn.packed` has it; what does not fit is counted."""
    if s.fill + uint64(LONG_WORDS) > uint64(WORDS):
        s.overflow += uint64(1)
        return
    at = s.events + s.fill * uint64(8)
    less = size - 1
    if uint64(less) < uint64(LONGEST):
        more = less << SIZE_SHIFT | op << OP_SHIFT | agent << AGENT_SHIFT | attributes << ATTRIBUTES_SHIFT
        stream64(at, uint64(address | more))
        s.fill += uint64(1)
    else:
        stream64(at, uint64(LONG << OP_SHIFT))
        stream64(at + uint64(8), uint64(address))
        stream64(at + uint64(16), uint64(size))
        stream64(at + uint64(24), uint64(agent << 32 | op << 48 | attributes << 56))
        s.fill += uint64(LONG_WORDS)
    if s.instruction_rows:
        row = s.instruction_rows + s.count * uint64(INSTRUCTION_SIZE)
        store64(row, s.at_virtual)
        store64(row + uint64(8), s.at_physical)
        store64(row + uint64(16), s.at_state)
    s.count += uint64(1)


@compiled
def locate_from(s: Any, first: Any, physical: Any, state: Any) -> None:
    """Complete the instructions of the events from number `first` on: they were appended before it was translated."""
    for number in range(first, s.count):
        row = s.instruction_rows + uint64(number) * uint64(INSTRUCTION_SIZE)
        store64(row + uint64(8), physical)
        store64(row + uint64(16), state)


@compiled
def unpack(words: Any, events: int, rows: Any) -> None:
    """Spread events into rows, laid out as `EVENT_DTYPE`; all are addresses."""
    for _ in range(events):
        word = load64(words)
        op = word >> uint64(OP_SHIFT) & uint64(LONG)
        if op == uint64(LONG):
            store64(rows, load64(words + uint64(8)))
            store64(rows + uint64(8), load64(words + uint64(16)))
            store64(rows + uint64(16), load64(words + uint64(24)))
            words += uint64(8 * LONG_WORDS)
        else:
            store64(rows, word & uint64(ADDRESS_MASK))
            store64(rows + uint64(8), uint64(1) + (word >> uint64(SIZE_SHIFT) & uint64(LONGEST - 1)))
            agent = word >> uint64(AGENT_SHIFT) & uint64(3)
            attributes = word >> uint64(ATTRIBUTES_SHIFT)
            store64(rows + uint64(16), agent << uint64(32) | op << uint64(48) | attributes << uint64(56))
            words += uint64(8)
        rows += uint64(EVENT_SIZE)


@compiled
def settle(s: Any) -> None:
    """Append the alias change that was held back, if there is one."""
    size = int64(s.held_size)
    if size:
        state, s.at_state = s.at_state, uint64(_UNKNOWN)
        s.held_size = uint64(0)
        agent, address = int64(s.held_agent), int64(s.held_address)
        if s.held_before:
            append(s, address, size, _UNMAP, agent, 0)
        if s.held_after:
            append(s, address, size, _MAP, agent, int64(s.held_after))
        s.at_state = state


@compiled
def emit(s: Any, address: int, size: int, op: int, agent: int, attributes: int) -> None:
    """Append an event, after any alias change that it could notice."""
    if s.held_size:
        reach = uint64(address) + uint64(size) - s.held_address
        if reach < s.held_size + uint64(size) or size == 0:
            settle(s)
    append(s, address, size, op, agent, attributes)


@compiled
def page_index(s: Any, address: int) -> int:
    """The number of the RAM page at a physical address, counted over all banks, or -1 outside of RAM."""
    for bank in range(s.banks):
        offset = uint64(address) - s.bank_base[bank]
        if offset < s.bank_size[bank]:
            return int64(s.bank_page[bank] + (offset >> uint64(12)))
    return -1


@compiled
def page_address(s: Any, index: int) -> int:
    """The physical address of a RAM page."""
    address = uint64(0)
    for bank in range(s.banks):
        if uint64(index) >= s.bank_page[bank]:
            address = s.bank_base[bank] + ((uint64(index) - s.bank_page[bank]) << uint64(12))
    return int64(address)


# One agent's switches ---------------------------------------------------------------------------------------


@compiled
def _switch_agent(s: Any, agent: int, sctlr: int, before: int) -> None:
    """The events from SCTLR `before` to `sctlr`: the MMU first on the way on, last on the way off."""
    changed = sctlr ^ before
    if changed & _M and sctlr & _M:
        emit(s, 0, 0, _MMU_ON, agent, 0)
    if changed & _C:
        emit(s, 0, 0, _DCACHE_ON if sctlr & _C else _DCACHE_OFF, agent, 0)
    if changed & _I:
        emit(s, 0, 0, _ICACHE_ON if sctlr & _I else _ICACHE_OFF, agent, 0)
    if changed & _M and not sctlr & _M:
        emit(s, 0, 0, _MMU_OFF, agent, 0)


@compiled
def switch(s: Any, sctlr: int, before: int) -> None:
    """The guest's SCTLR is now `sctlr` and was `before`: say so for each of its agents."""
    if s.forced:
        return
    for agent in range(4):
        if s.introduced >> uint64(agent) & uint64(1):
            _switch_agent(s, agent, sctlr, before)


@compiled
def introduce(s: Any, agent: int) -> None:
    """Make an agent known in the trace: it starts with everything on, as the trace's rules say."""
    if not s.introduced >> uint64(agent) & uint64(1):
        s.introduced |= uint64(1) << uint64(agent)
        now = int64(s.sctlr[s.el])
        # Nothing has been said of the instruction cache: say it either way.
        _switch_agent(s, agent, now, _M | _C | (~now & _I))


@compiled
def emit_change(s: Any, first: int, end: int, memory_type: int, before: int, after: int) -> None:
    """Pages `first` to `end` go from alias `before` to `after`, as `_alias` tells them.

    A guest maps page by page. Changes that join end to end are held back as one, until an event touches
    any of their pages: speculation may do no more over an interval than at its end, so no set of states differs.
    """
    if before == after or s.forced:
        return
    agent = agent_of(memory_type)
    introduce(s, agent)
    address, size = uint64(page_address(s, first)), uint64((end - first) << 12)
    attributes = uint64(1 + memory_type | (EXECUTABLE if after == 2 else 0)) if after else uint64(0)
    same = s.held_agent == uint64(agent) and s.held_before == uint64(before) and s.held_after == attributes
    if s.held_size and same and address == s.held_address + s.held_size:
        s.held_size += size
    elif s.held_size and same and address + size == s.held_address:
        s.held_address = address
        s.held_size += size
    else:
        settle(s)
        s.held_agent, s.held_before, s.held_after = uint64(agent), uint64(before), attributes
        s.held_address, s.held_size = address, size
