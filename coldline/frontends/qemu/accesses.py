# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes events of fetches, loads and stores, and follows stores to tables.

`m` is the record of a machine, `s` that of a view: see `coldline.frontends.qemu.state`. Imported only to compile.
"""

from typing import Any

import numpy as np

from coldline.events.appending import append_held_change
from coldline.events.batch import INSTRUCTION_SIZE, InstructionState
from coldline.events.layout import AGENT_SHIFT, EVENT_SIZE, OP_SHIFT, REST_AT, SIZE_AT
from coldline.events.op import Op
from coldline.frontends.qemu.known import forget_line, is_redundant
from coldline.frontends.qemu.state import ADDRESS_TAGS, CODE_PAGES, CodeBlock, CodePage
from coldline.frontends.qemu.views import drain, hold_ic, is_wanted, view_of
from coldline.jit.intrinsics import (
    compiled,
    int64,
    load32,
    load64,
    store32,
    store64,
    uint64,
)
from coldline.mmu.alias_events import alias_of
from coldline.mmu.frames import RUNNABLE, frame_alias
from coldline.mmu.memory import PAGE_MASK, PAGE_SHIFT, page_index
from coldline.mmu.translation import locate, translate, translate_code
from coldline.mmu.view import ADDRESS_MASK, STAGE2, TAG_SHIFT

_PAGE_SIZE = 1 << PAGE_SHIFT
_READ, _FETCH, _IC_IALLUIS = int(Op.READ), int(Op.FETCH), int(Op.IC_IALLUIS)
_UNKNOWN = int(InstructionState.UNKNOWN)
_B_PHYSICAL, _B_SIZE = CodeBlock.PHYSICAL, CodeBlock.SIZE
_C_PHYSICAL, _C_GENERATION, _C_VIRTUAL = CodePage.PHYSICAL, CodePage.GENERATION, CodePage.VIRTUAL
_C_TAG, _C_SIZE = CodePage.TAG, CodePage.SIZE


@compiled
def place_of(m: Any, code: int) -> tuple[int, int, int]:
    """The virtual and the physical address of an instruction, and its instruction set.

    `code` is 2^16 times the number of its block, and its place there in halfwords.
    """
    block = m.blocks + uint64(_B_SIZE * (code >> 16))
    offset = 2 * (code & 0xFFFF)
    word = int64(load64(block + uint64(_B_PHYSICAL)))
    return int64(load64(block)) + offset, (word & ADDRESS_MASK) + offset, word >> TAG_SHIFT


@compiled
def _attribute(s: Any, virtual: int, physical: int, state: int) -> None:
    """Attribute the walks that come to an instruction."""
    s.at_virtual, s.at_physical, s.at_state = uint64(virtual), uint64(physical), uint64(state)
    if s.below:
        t = view_of(s.below)
        t.at_virtual, t.at_physical, t.at_state = s.at_virtual, s.at_physical, s.at_state


@compiled
def begin(m: Any, s: Any, code: int) -> None:
    """Attribute the walks that come to an instruction."""
    if s.instruction_rows:
        virtual, physical, state = place_of(m, code)
        _attribute(s, virtual, physical, state)


@compiled
def _add_row(m: Any, address: int, size: int, op: int, agent: int, code: int) -> None:
    row = m.rows + m.count * uint64(EVENT_SIZE)
    store64(row, uint64(address))
    store64(row + uint64(SIZE_AT), uint64(size))
    store64(row + uint64(REST_AT), uint64(agent << AGENT_SHIFT | op << OP_SHIFT))
    if m.instruction_rows:
        at = m.instruction_rows + m.count * uint64(INSTRUCTION_SIZE)
        virtual, physical, state = place_of(m, code)
        store64(at, uint64(virtual))
        store64(at + uint64(8), uint64(physical))
        store64(at + uint64(16), uint64(state))
    m.count += uint64(1)


@compiled
def tell_ic(m: Any) -> None:
    """Add the event of the last IC IALLUIS, if it has none."""
    if m.ic_told != m.ic_count:
        m.ic_told = m.ic_count
        _add_row(m, 0, 0, _IC_IALLUIS, int64(m.ic_agent), int64(m.ic_code))


@compiled
def _may_be_held(m: Any, page: int) -> bool:
    """Whether an instruction cache may hold lines of a page, after the last IC IALLUIS that is an event.

    It may if a view can execute there, or has been able to since.
    """
    if uint64(load32(m.ic_held + uint64(4 * page))) > m.ic_told:
        return True
    for index in range(m.view_count):
        each = view_of(load64(m.all_views + uint64(8 * index)))
        if each.format != uint64(STAGE2):
            for memory_type in range(ADDRESS_TAGS - 1):
                alias = (
                    frame_alias(each, page, memory_type) if each.below else alias_of(each, page, memory_type)
                )
                if alias == RUNNABLE:
                    return True
    return False


@compiled
def _settle_ic(m: Any, s: Any, address: int, size: int, op: int, tag: int) -> None:
    """Add the event of an IC IALLUIS that was held back, if this event might notice.

    Xen does one for each page that it gives to a guest, and each concerns every line. It matters only to what was
    stored to or maintained since the one before that is an event, and only before that is fetched or changed again:
    an earlier one of two leaves nothing that the later one does not remove, and lines that were not changed between
    are filled anew with what they had. To pages that nobody can execute it does not matter.
    """
    page = page_index(s, address)
    if size > _PAGE_SIZE or page < 0:
        tell_ic(m)
        return
    at = m.ic_pages + uint64(4 * page)
    changed = uint64(load32(at))
    if m.ic_told < changed and changed <= m.ic_count and (op == _FETCH or _may_be_held(m, page)):
        tell_ic(m)
    if op != _FETCH:
        store32(at, np.uint32(m.ic_count + uint64(1)))
    elif tag == 0:  # with the MMU off, an instruction prefetch may be from the next page
        hold_ic(m, page, page + 2)


@compiled
def add_event(m: Any, s: Any, address: int, size: int, op: int, tag: int, code: int) -> None:
    """Add the event of an instruction; `tag` is that of the translated address."""
    if s.held_size and (
        uint64(address) + uint64(size) - s.held_address < s.held_size + uint64(size) or size == 0
    ):
        append_held_change(s)
    if s.count or s.below:
        drain(m, s)
    if m.filters and op != _READ and size:
        _settle_ic(m, s, address, size, op, tag)
    _add_row(m, address, size, op, int64(s.agent_base + s.agent_of_tag[tag]), code)


@compiled
def _miss(m: Any, s: Any, virtual: int) -> None:
    """Count an access whose translation could not be followed, and take the events of its walk."""
    drain(m, s)
    if m.unknown == uint64(0):
        m.unknown_at = uint64(virtual)
    m.unknown += uint64(1)


@compiled
def _executable_tag(s: Any, physical: int) -> int:
    """The tag of the strongest type with which the tables of a view map a page for execution; -1 if there is none."""
    page = page_index(s, physical)
    if page >= 0:
        for memory_type in range(ADDRESS_TAGS - 2, -1, -1):
            alias = frame_alias(s, page, memory_type) if s.below else alias_of(s, page, memory_type)
            if alias == RUNNABLE:
                return 1 + memory_type
    return -1


@compiled
def _find_code(s: Any, row: Any, virtual: int, physical: int) -> bool:
    """Find the virtual address and the tag of a page of code; return whether there is a tag.

    `virtual` is one that the code has or had. If the present tables do not map it there, it is looked for where the
    page was before. If that fails, too, the tables say with which type they map the page for execution.
    """
    guess = int64(load64(row + uint64(_C_VIRTUAL)))
    tag = -1
    for _ in range(2):
        found = locate(s, virtual)
        if found >= 0 and found & ADDRESS_MASK == physical:
            tag = translate_code(s, virtual) >> TAG_SHIFT
            break
        virtual, guess = guess, virtual
    if tag < 0:
        tag = _executable_tag(s, physical)
    store64(row + uint64(_C_PHYSICAL), uint64(physical))
    store64(row + uint64(_C_VIRTUAL), uint64(virtual))
    store64(row + uint64(_C_TAG), uint64(tag))
    store64(row + uint64(_C_GENERATION), s.generation if tag >= 0 else uint64(0))
    return tag >= 0


@compiled
def _fetch_page(m: Any, s: Any, virtual: int, physical: int, size: int, code: int, state: int) -> None:
    """Add the fetch; the physical address is -1 where only the tables have it."""
    if physical < 0:
        tagged = translate_code(s, virtual)
        if tagged < 0:
            _miss(m, s, virtual)
            return
        physical, tag = tagged & ADDRESS_MASK, tagged >> TAG_SHIFT
    elif not s.virtual:
        virtual, tag = physical, 0
    else:
        offset = physical & PAGE_MASK
        page = physical - offset
        row = s.code_pages + uint64(_C_SIZE * ((page >> PAGE_SHIFT) & (CODE_PAGES - 1)))
        known = load64(row + uint64(_C_GENERATION)) == s.generation and int64(load64(row)) == page
        if not known and not _find_code(s, row, virtual - offset, page):
            _miss(m, s, virtual)
            return
        tag = int64(load64(row + uint64(_C_TAG)))
        virtual = int64(load64(row + uint64(_C_VIRTUAL))) + offset
    block = m.blocks + uint64(_B_SIZE * (code >> 16))
    if code & 0xFFFF == 0:
        store64(block, uint64(virtual))
        store64(block + uint64(_B_PHYSICAL), uint64(physical | state << TAG_SHIFT))
    if is_wanted(m, s, physical):
        add_event(m, s, physical, size, _FETCH, tag, code)


@compiled
def add_fetch(m: Any, s: Any, virtual: int, physical: int, size: int, code: int, state: int) -> None:
    """Add the fetch of a block of code, or of the part of it that is in one page."""
    if s.instruction_rows:
        _attribute(s, virtual, physical, _UNKNOWN if physical < 0 else state)
    _fetch_page(m, s, virtual, physical, size, code, state)


@compiled
def _access_page(m: Any, s: Any, virtual: int, physical: int, size: int, op: int, code: int) -> None:
    """Add a load or store of bytes in one page; the physical address is -1 where only the tables have it."""
    tagged = translate(s, virtual)
    found = tagged & ADDRESS_MASK
    if tagged < 0 or (physical >= 0 and found != physical):
        _miss(m, s, virtual)
        return
    if is_wanted(m, s, found):
        tag = tagged >> TAG_SHIFT
        if s.count or s.below:
            drain(m, s)
        if m.filters and s.held_size == uint64(0):
            agent = int64(s.agent_base + s.agent_of_tag[tag])
            if is_redundant(m, found, size, op, tag, agent):
                return
        else:
            forget_line(m, found)
            forget_line(m, found + size - 1)
        add_event(m, s, found, size, op, tag, code)


@compiled
def add_access(m: Any, s: Any, virtual: int, physical: int, size: int, op: int, code: int) -> None:
    """Add a load or store."""
    begin(m, s, code)
    inside = _PAGE_SIZE - (virtual & PAGE_MASK)
    if size <= inside:
        _access_page(m, s, virtual, physical, size, op, code)
    else:
        _access_page(m, s, virtual, physical, inside, op, code)
        _access_page(m, s, virtual + inside, -1, size - inside, op, code)
