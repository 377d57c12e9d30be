# SPDX-License-Identifier: GPL-2.0-or-later
"""The views of a machine in compiled code, and the way of their events to the rows of the machine.

`m` is the record of a machine, `s` that of a view: see `coldline.frontends.qemu.state`. Imported only to compile.
"""

from typing import Any

import numpy as np
from numba import carray, from_dtype, types
from numba.extending import intrinsic

from coldline.events.appending import append_held_change, unpack
from coldline.events.batch import INSTRUCTION_SIZE
from coldline.events.layout import AGENT_SHIFT, EVENT_SIZE, OP_MASK, OP_SHIFT, REST_AT, SIZE_AT
from coldline.events.op import Op
from coldline.frontends.qemu.state import ROWS, SPARE_ROWS, MachineRecord, ViewRecord
from coldline.jit.intrinsics import compiled, int64, load8, load64, store32, store64, uint64
from coldline.mmu.memory import PAGE_MASK, PAGE_SHIFT, page_index

_FIRST_CHANGE = int(Op.MAP)
"""From this operation on, an event of a view is a change of its aliases or switches, and none of a walk."""

_UNMAP = int(Op.UNMAP)

VIEW = types.CPointer(from_dtype(np.dtype(ViewRecord)))
MACHINE = types.CPointer(from_dtype(np.dtype(MachineRecord)))
"""The types of pointers to the records."""


@intrinsic
def view_at(context: Any, address: Any) -> Any:
    """The pointer to a view's record at an address."""

    def code(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ctx.get_value_type(VIEW))

    return VIEW(types.uint64), code


@compiled
def view_of(address: Any) -> Any:
    """A view's record."""
    return carray(view_at(address), (1,))[0]


@compiled
def is_wanted(m: Any, s: Any, address: int) -> bool:
    """Whether a physical address is in RAM, and events there are wanted."""
    page = page_index(s, address)
    return page >= 0 and load8(m.wanted + uint64(page)) != 0


@compiled
def hold_ic(m: Any, first: int, end: int) -> None:
    """Note that instruction caches may hold lines of the pages with some numbers, though nobody may execute there."""
    for page in range(first, end):
        store32(m.ic_held + uint64(4 * page), np.uint32(m.ic_count + uint64(1)))


@compiled
def _note_change(m: Any, s: Any, row: Any, op: Any) -> None:
    """Note a change of aliases or switches."""
    m.generation += uint64(1)
    first, size = page_index(s, int64(load64(row))), int64(load64(row + uint64(SIZE_AT)))
    if m.filters and op == uint64(_UNMAP) and first >= 0:
        hold_ic(m, first, first + (size >> PAGE_SHIFT))


@compiled
def _copy_row(m: Any, row: Any, at: Any, address: int, size: int, base: Any) -> None:
    """Add a row that is another one but for its range and its agent, with its instruction."""
    if m.count == uint64(ROWS + SPARE_ROWS):
        m.overflow += uint64(1)
        return
    to = m.rows + m.count * uint64(EVENT_SIZE)
    store64(to, uint64(address))
    store64(to + uint64(SIZE_AT), uint64(size))
    store64(to + uint64(REST_AT), load64(row + uint64(REST_AT)) + base)
    if m.instruction_rows:
        to = m.instruction_rows + m.count * uint64(INSTRUCTION_SIZE)
        for offset in range(0, INSTRUCTION_SIZE, 8):
            store64(to + uint64(offset), load64(at + uint64(offset)))
    m.count += uint64(1)


@compiled
def _keep_wanted(m: Any, s: Any, row: Any, at: Any, base: Any) -> None:
    """Add the parts of a row that are wanted: whole walks, and whole pages of what changes mappings."""
    address, size = int64(load64(row)), int64(load64(row + uint64(SIZE_AT)))
    op = load64(row + uint64(REST_AT)) >> uint64(OP_SHIFT) & uint64(OP_MASK)
    if op >= uint64(_FIRST_CHANGE):
        _note_change(m, s, row, op)
    if size == 0 or op < uint64(_FIRST_CHANGE):
        if size == 0 or is_wanted(m, s, address):
            _copy_row(m, row, at, address, size, base)
        return
    begin, step = address, 1 << PAGE_SHIFT
    for page in range(address & ~PAGE_MASK, address + size, step):
        if not is_wanted(m, s, page):
            if page > begin:
                _copy_row(m, row, at, begin, page - begin, base)
            begin = page + step
    if begin < address + size:
        _copy_row(m, row, at, begin, address + size - begin, base)


@compiled
def _move_wanted(m: Any, s: Any, agent_base: Any) -> None:
    """Move what is wanted of the events of a record to the machine's rows."""
    unpack(s.events, s.count, m.unpacked, uint64(0))
    for index in range(s.count):
        row = m.unpacked + uint64(index) * uint64(EVENT_SIZE)
        at = s.instruction_rows + uint64(index) * uint64(INSTRUCTION_SIZE)
        _keep_wanted(m, s, row, at, agent_base << uint64(AGENT_SHIFT))
    s.count = s.fill = uint64(0)


@compiled
def _move(m: Any, s: Any, agent_base: Any) -> None:
    """Move the events of a record to the machine's rows; their agents are numbered from `agent_base` on."""
    m.overflow += s.overflow
    if m.unpacked:
        _move_wanted(m, s, agent_base)
        return
    if m.count + s.count > uint64(ROWS + SPARE_ROWS):
        m.overflow += s.count
        s.count = s.fill = uint64(0)
        return
    rows = m.rows + m.count * uint64(EVENT_SIZE)
    unpack(s.events, s.count, rows, uint64(0))
    base = agent_base << uint64(AGENT_SHIFT)
    for index in range(s.count):
        row = rows + uint64(index) * uint64(EVENT_SIZE)
        word = load64(row + uint64(REST_AT))
        store64(row + uint64(REST_AT), word + base)
        op = (word >> uint64(OP_SHIFT)) & uint64(OP_MASK)
        if op >= uint64(_FIRST_CHANGE):
            _note_change(m, s, row, op)
    if m.instruction_rows:
        to = m.instruction_rows + m.count * uint64(INSTRUCTION_SIZE)
        for offset in range(0, s.count * uint64(INSTRUCTION_SIZE), 8):
            store64(to + uint64(offset), load64(s.instruction_rows + uint64(offset)))
    m.count += s.count
    s.count = s.fill = uint64(0)


@compiled
def drain(m: Any, s: Any) -> None:
    """Move the events, and let them be of the view's agents; first those of walks of the stage 2 that is below it."""
    if s.below:
        t = view_of(s.below)
        if t.count:
            _move(m, t, s.walker)
    if s.count:
        _move(m, s, s.agent_base)


@compiled
def gather_from(m: Any, s: Any) -> None:
    """Move the events of a view, and the alias change that it holds back, to those of the machine."""
    append_held_change(s)
    drain(m, s)


@compiled
def leave_view(m: Any) -> None:
    """Do that for the present view."""
    if m.current:
        gather_from(m, view_of(m.current))
