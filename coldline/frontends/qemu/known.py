# SPDX-License-Identifier: GPL-2.0-or-later
"""Leaves out loads and stores that can change no verdict, as earlier ones of the same agent make them redundant.

By the rules of a byte (`coldline.rules.line_rules`), no read and no fetch changes the set of states that it may be
in, whatever aliases are live. A byte to which a kind of write was done, or was done beside it in its line, is not
changed by another one of that kind. A write-back read is never wrong just after a write of the same bytes. So a load
is redundant if its bytes were loaded, or stored as write-back, since anything else was done to their line; a store
is, if its bytes were stored. What begins or ends an alias, and what turns an MMU or a cache on or off, comes between
as well. `tests/frontends/qemu/test_known.py` checks all this on the automata of all profiles.

With barriers as events, what is pending matters too, and nothing is left out. The plugin does the same for loads and
blocks of code, by simpler means, before they are in the ring.

`m` is the record of a machine: see `coldline.frontends.qemu.state`. Imported only to compile.
"""

from typing import Any

from coldline.events.op import Op
from coldline.frontends.qemu.state import KNOWN_LINES, KnownLine
from coldline.jit.intrinsics import compiled, load64, store64, uint64
from coldline.mmu.view import NOWHERE

_LINE_SHIFT = 6
_IN_LINE = (1 << _LINE_SHIFT) - 1
_WRITE_BACK_TAG = 4
_WRITE = int(Op.WRITE)
_KEY, _GENERATION, _WRITTEN, _READ = KnownLine.KEY, KnownLine.GENERATION, KnownLine.WRITTEN, KnownLine.READ
_SIZE = KnownLine.SIZE


@compiled
def _row(m: Any, line: int) -> Any:
    return m.known + uint64(_SIZE * (line & (KNOWN_LINES - 1)))


@compiled
def forget_line(m: Any, address: int) -> None:
    """Note that something is done to the line of an address that is neither a load nor a store."""
    store64(_row(m, address >> _LINE_SHIFT) + uint64(_KEY), uint64(NOWHERE))


@compiled
def forget_lines(m: Any) -> None:
    """Note that something is done that may concern any line."""
    m.generation += uint64(1)


@compiled
def is_redundant(m: Any, address: int, size: int, op: int, tag: int, agent: int) -> bool:
    """Return whether a load or store is redundant, and remember it; `tag` is that of its translated address."""
    line, at = address >> _LINE_SHIFT, address & _IN_LINE
    if at + size > _IN_LINE + 1:
        forget_line(m, address)
        forget_line(m, address + size)
        return False
    row = _row(m, line)
    key = uint64(line << 16 | agent << 3 | tag)
    wanted = ((uint64(1) << uint64(size)) - uint64(1)) << uint64(at)
    if load64(row + uint64(_KEY)) != key or load64(row + uint64(_GENERATION)) != m.generation:
        store64(row + uint64(_KEY), key)
        store64(row + uint64(_GENERATION), m.generation)
        store64(row + uint64(_WRITTEN), wanted if op == _WRITE else uint64(0))
        store64(row + uint64(_READ), uint64(0) if op == _WRITE else wanted)
        return False
    written, read = load64(row + uint64(_WRITTEN)), load64(row + uint64(_READ))
    if op == _WRITE:
        if written & wanted == wanted:
            return True
        store64(row + uint64(_WRITTEN), written | wanted)
        store64(row + uint64(_READ), uint64(0))
        return False
    if ((read | written if tag == _WRITE_BACK_TAG else read) & wanted) == wanted:
        return True
    store64(row + uint64(_READ), read | wanted)
    return False
