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
from coldline.frontends.qemu.state import MAX_RANGES, ROWS, SPARE_ROWS, MachineRecord, ViewRecord
from coldline.jit.intrinsics import compiled, int64, load8, load64, store64, uint64
from coldline.mmu.memory import PAGE_MASK, PAGE_SHIFT, page_index

_FIRST_CHANGE = int(Op.MAP)
"""From this operation on, an event of a view is a change of its aliases or switches, and none of a walk."""

_MOST_PARTS = 1 + MAX_RANGES
"""The parts of an event that are wanted, and itself."""

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
def _copy_row(m: Any, row: Any, at: Any, address: int, size: int) -> None:
    """Add a row that is another one but for its range, with its instruction."""
    to = m.rows + m.count * uint64(EVENT_SIZE)
    store64(to, uint64(address))
    store64(to + uint64(SIZE_AT), uint64(size))
    store64(to + uint64(REST_AT), load64(row + uint64(REST_AT)))
    if m.instruction_rows:
        to = m.instruction_rows + m.count * uint64(INSTRUCTION_SIZE)
        for offset in range(0, INSTRUCTION_SIZE, 8):
            store64(to + uint64(offset), load64(at + uint64(offset)))
    m.count += uint64(1)


@compiled
def _keep_wanted(m: Any, s: Any, row: Any, at: Any) -> None:
    """Add the parts of a row that are wanted: whole walks, and whole pages of what changes mappings."""
    address, size = int64(load64(row)), int64(load64(row + uint64(SIZE_AT)))
    op = load64(row + uint64(REST_AT)) >> uint64(OP_SHIFT) & uint64(OP_MASK)
    if size == 0 or op < uint64(_FIRST_CHANGE):
        if size == 0 or is_wanted(m, s, address):
            _copy_row(m, row, at, address, size)
        return
    begin, step = address, 1 << PAGE_SHIFT
    for page in range(address & ~PAGE_MASK, address + size, step):
        if not is_wanted(m, s, page):
            if page > begin:
                _copy_row(m, row, at, begin, page - begin)
            begin = page + step
    if begin < address + size:
        _copy_row(m, row, at, begin, address + size - begin)


@compiled
def _drop_unwanted(m: Any, s: Any) -> None:
    """Replace the rows of a record that come next by those that are wanted.

    They are moved to the end of the buffer first; if there is no room for that, all are kept.
    """
    count = int64(s.count)
    if m.count + uint64(count * _MOST_PARTS) > uint64(ROWS + SPARE_ROWS):
        m.count += uint64(count)
        return
    first, end = m.count, uint64(ROWS + SPARE_ROWS - count)
    for index in range(count - 1, -1, -1):
        row, to = first + uint64(index), end + uint64(index)
        for offset in range(0, EVENT_SIZE, 8):
            store64(
                m.rows + to * uint64(EVENT_SIZE) + uint64(offset),
                load64(m.rows + row * uint64(EVENT_SIZE) + uint64(offset)),
            )
        if m.instruction_rows:
            for offset in range(0, INSTRUCTION_SIZE, 8):
                store64(
                    m.instruction_rows + to * uint64(INSTRUCTION_SIZE) + uint64(offset),
                    load64(m.instruction_rows + row * uint64(INSTRUCTION_SIZE) + uint64(offset)),
                )
    for index in range(count):
        at = end + uint64(index)
        _keep_wanted(
            m, s, m.rows + at * uint64(EVENT_SIZE), m.instruction_rows + at * uint64(INSTRUCTION_SIZE)
        )


@compiled
def _move(m: Any, s: Any, agent_base: Any) -> None:
    """Move the events of a record to the machine's rows; their agents are numbered from `agent_base` on."""
    rows = m.rows + m.count * uint64(EVENT_SIZE)
    unpack(s.events, s.count, rows)
    base = agent_base << uint64(AGENT_SHIFT)
    for index in range(s.count):
        at = rows + uint64(index) * uint64(EVENT_SIZE) + uint64(REST_AT)
        word = load64(at)
        store64(at, word + base)
        if (word >> uint64(OP_SHIFT)) & uint64(OP_MASK) >= uint64(_FIRST_CHANGE):
            m.generation += uint64(1)
    if m.instruction_rows:
        to = m.instruction_rows + m.count * uint64(INSTRUCTION_SIZE)
        for offset in range(0, s.count * uint64(INSTRUCTION_SIZE), 8):
            store64(to + uint64(offset), load64(s.instruction_rows + uint64(offset)))
    if m.is_partial:
        _drop_unwanted(m, s)
    else:
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
