# SPDX-License-Identifier: GPL-2.0-or-later
"""The check's fast path: one compiled loop over the events that need no thought.

What an event leads to is a look-up in the tables of `Lines`. The loop stops at whatever it does not find
there or that touches more than lines of one dense page, `Follower` deals with that, and the loop goes on. So
the loop holds no rule: it can be slow about an event, and not wrong.
"""

import ctypes
import functools
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from coldline import machinecode
from coldline.arm import MemoryType
from coldline.coherence.follow import Follower
from coldline.coherence.memory import NO_CHUNK, NOT_DENSE
from coldline.coherence.pages import NOBODY, Refusal, maintenance_letter, walk_letter
from coldline.coherence.rules import Letter, Profile
from coldline.trace import ADDRESS_LIMIT, PAGE_SIZE, Event, Op
from coldline.trace.columns import TYPE_MASK, Batch, pack_attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SLOW = 255
LINE_OPS = int(Op.IC_IVAU) + 1
_TYPED_BY_ALIAS = (Op.READ, Op.WRITE, Op.FETCH, Op.DC_ZVA)
UNMAP_CODE = 16
_HAZARDS = 4096

DONE, THINK, MISS, FULL = range(4)
"""Why the loop stopped: at the end; at an event for `Follower`; at a transition for `Lines`; hazards to note."""

# Where the loop's registers are in its array
AT, LINE_AT, STATUS, SHAPE, LETTER, START, END, FOUND, COUNTED = range(9)
CACHE = 16
"""From here, pairs of page and row: the pages that were used last."""

CACHED_PAGES = 64
REGISTERS = CACHE + 2 * CACHED_PAGES

SIZES_DTYPE = np.dtype(
    [
        (name, "i8")
        for name in (
            "events",
            "agents",
            "classes",
            "letters",
            "shapes",
            "memo",
            "rows",
            "lines_per_page",
            "index",
            "found",
            "line_bits",
            "distinct",
        )
    ]
)
"""The lengths of the loop's arrays, and its two switches."""

_SOURCES = (
    "arm/memory_types.py",
    "coherence/follow.py",
    "coherence/lines.py",
    "coherence/memory.py",
    "coherence/stream.py",
    "coherence/stream_loop.py",
    "trace/columns.py",
    "trace/events.py",
)


def feed_stream(checker: Follower, batch: Batch) -> None:
    """`Checker.feed` for many events."""
    base = checker.events
    registers = np.zeros(REGISTERS, np.uint64)
    registers[CACHE:] = NO_CHUNK
    found = np.zeros((_HAZARDS, 6), np.int64)
    agents = np.array([checker.pages.agent(name) for name in batch.agents], np.uint64)
    letters = checker.fast if isinstance(checker.fast, _Letters) else _Letters(checker)
    checker.fast = letters
    letters.refresh()
    loop = _loop()
    arguments = _Arguments(checker, batch, letters, agents, registers, found)
    while True:
        loop(*arguments.addresses())
        if registers[COUNTED]:
            _note_hazards(checker, batch, base, registers, found)
        status = registers[STATUS]
        if status == DONE:
            break
        if status == MISS:
            shape, letter, start, end = registers[SHAPE : END + 1].tolist()
            checker.lines.step(shape, Letter(letter), start, end)
        elif status == THINK:
            at = int(registers[AT])
            if not _made_dense(checker, batch.rows[at]):
                checker.events = base + at
                letters.think(batch.event(at), int(batch.rows["where"][at]))
                registers[AT] = at + 1
    checker.events = base + len(batch)


def _made_dense(checker: Follower, row: "np.void") -> bool:
    """Whether all that the loop lacked for an event was the page, which is dense now."""
    address, size = int(row["address"]), int(row["size"])
    page = address // PAGE_SIZE
    beyond = address + size > ADDRESS_LIMIT
    if row["op"] >= LINE_OPS or size == 0 or beyond or (address + size - 1) // PAGE_SIZE != page:
        return False
    if checker.memory.row(page) != NOT_DENSE:
        return False
    checker.memory.make_dense(page)
    return True


@functools.cache
def _loop() -> "Callable[..., None]":
    """The compiled loop: it takes the address of each of `_arrays`."""
    address = machinecode.load("coldline.coherence.stream_loop", _SOURCES)["run"]
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 16)(address)


class _Arguments:
    """The arrays that the loop works on, as addresses, in the order of its arguments.

    Tables that grow are new arrays; the addresses are worked out anew when any of them is.
    """

    def __init__(
        self,
        checker: Follower,
        batch: Batch,
        letters: "_Letters",
        agents: "NDArray[np.uint64]",
        registers: "NDArray[np.uint64]",
        found: "NDArray[np.int64]",
    ) -> None:
        self._checker = checker
        self._letters = letters
        self._fixed = (batch.rows, agents, registers, found)
        self._growing: tuple[Any, ...] = ()
        self._arrays: list[NDArray[Any]] = []
        self._addresses: list[int] = []

    def addresses(self) -> list[int]:
        """Where the arrays are now; they are kept alive until the next call."""
        lines, memory, letters = self._checker.lines, self._checker.memory, self._letters
        growing = (lines.whole, lines.memo, memory.lines, memory.index, letters.accesses, letters.moves)
        if len(self._growing) != len(growing) or any(map(operator.is_not, growing, self._growing)):
            self._growing = growing
            self._arrays = self._collect()
            self._addresses = [array.ctypes.data for array in self._arrays]
        return self._addresses

    def _collect(self) -> "list[NDArray[Any]]":
        lines, memory, letters = self._checker.lines, self._checker.memory, self._letters
        rows, agents, registers, found = self._fixed
        sizes = {
            "events": len(rows),
            "agents": letters.accesses.shape[1],
            "classes": letters.accesses.shape[0],
            "letters": lines.whole.shape[0],
            "shapes": lines.whole.shape[1],
            "memo": len(lines.memo),
            "rows": memory.lines.shape[0],
            "lines_per_page": memory.lines.shape[1],
            "index": len(memory.index),
            "found": len(found),
            "line_bits": self._checker.profile.line.bit_length() - 1,
            "distinct": self._checker.distinct,
        }
        return [
            np.array([tuple(sizes[name] for name in SIZES_DTYPE.names or ())], SIZES_DTYPE),
            rows,
            agents,
            letters.accesses,
            letters.maintenance,
            letters.walks,
            letters.moves,
            letters.settings,
            lines.whole,
            lines.memo,
            memory.lines,
            memory.reported,
            memory.classes,
            memory.index,
            registers,
            found,
        ]


class _Letters:
    """What `Pages` makes of events, as arrays for the loop.

    Attributes
    ----------
    accesses : ndarray of uint8, shape (classes, agents, ops)
        The letter of an access, `SLOW` where there is something to think about.
    walks : ndarray of uint8, shape (agents, 1 + types)
        The letter of a walk.
    moves : ndarray of int32, shape (classes, agents, attributes)
        The class of a page after a map, or after an unmap at `UNMAP_CODE`; -1 where nobody knows yet.
    settings : ndarray of uint8, shape (classes,)
        The letter of each class's setting.
    maintenance : ndarray of uint8, shape (ops,)
        The letter of a maintenance operation.
    """

    def __init__(self, checker: Follower) -> None:
        self._checker = checker
        self.maintenance: NDArray[np.uint8] = _maintenance_letters(checker.profile)
        self._start()

    def think(self, event: Event, where: int) -> None:
        """Let the checker take an event, and learn from it."""
        checker = self._checker
        page = event.address // PAGE_SIZE
        one_page = event.op in (Op.MAP, Op.UNMAP) and event.size == PAGE_SIZE
        before = checker.memory.page_class(page) if one_page else NOBODY
        checker.event(event, where)
        if self.refresh():
            return
        if one_page:
            code = UNMAP_CODE
            if event.memory_type is not None:
                code = pack_attributes(event.memory_type, event.executable)
            agent = checker.pages.agent(event.agent)
            self.moves[before, agent, code] = checker.memory.page_class(page)

    def refresh(self) -> bool:
        """Take in what has changed; whether that was more than new classes."""
        pages = self._checker.pages
        if pages.switches != self._switches or len(pages.agents) != len(self.walks):
            self._start()
            return True
        self._grow()
        return False

    def _start(self) -> None:
        self._switches = self._checker.pages.switches
        agents = len(self._checker.pages.agents)
        self.accesses: NDArray[np.uint8] = np.zeros((0, agents, Op.DC_ZVA + 1), np.uint8)
        self.moves: NDArray[np.int32] = np.zeros((0, agents, UNMAP_CODE + 1), np.int32)
        self.settings: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.walks: NDArray[np.uint8] = np.full((agents, TYPE_MASK + 1), SLOW, np.uint8)
        for number, agent in enumerate(self._checker.pages.agents):
            if agent.mmu:
                for memory_type in MemoryType:
                    self.walks[number, 1 + memory_type] = walk_letter(memory_type)
        self._grow()

    def _grow(self) -> None:
        """Make room for the classes that are new."""
        pages = self._checker.pages
        known, wanted = len(self.settings), len(pages.classes)
        if known == wanted:
            return
        size = wanted + wanted // 2 + 16
        agents = len(pages.agents)
        accesses = np.full((size, agents, Op.DC_ZVA + 1), SLOW, np.uint8)
        moves = np.full((size, agents, UNMAP_CODE + 1), -1, np.int32)
        accesses[:known], moves[:known] = self.accesses[:known], self.moves[:known]
        for page_class in range(known, wanted):
            for agent in range(agents):
                for op in _TYPED_BY_ALIAS:
                    accesses[page_class, agent, op] = self._letter(page_class, agent, op)
        self.accesses, self.moves = accesses, moves
        self.settings = np.array([Letter.of_setting(setting) for setting in pages.settings], np.uint8)

    def _letter(self, page_class: int, agent: int, op: Op) -> int:
        pages = self._checker.pages
        letter = pages.letter(page_class, agent, op)
        if isinstance(letter, Refusal):
            return SLOW
        unseen = not pages.alias(page_class, agent).fetched
        if op is Op.FETCH and not pages.agents[agent].mmu and unseen:
            return SLOW
        return letter


def _maintenance_letters(profile: Profile) -> "NDArray[np.uint8]":
    table = np.full(LINE_OPS, SLOW, np.uint8)
    for op in Op:
        letter = maintenance_letter(op, profile)
        if letter is not None and op < LINE_OPS:
            table[op] = letter
    return table


def _note_hazards(
    checker: Follower, batch: Batch, base: int, registers: "NDArray[np.uint64]", found: "NDArray[np.int64]"
) -> None:
    for at, address, shape, letter, start, end in found[: registers[FOUND]].tolist():
        event, where = batch.event(at), int(batch.rows["where"][at])
        checker.found(event, where, address, 1, shape, Letter(letter), start, end, base + at)
    checker.hazards += int(registers[COUNTED])
    registers[FOUND] = registers[COUNTED] = 0


assert PAGE_SIZE == 4096
