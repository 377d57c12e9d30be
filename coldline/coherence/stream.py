# SPDX-License-Identifier: GPL-2.0-or-later
"""The check's fast path: one compiled loop over the events that need no thought.

What an event leads to is a look-up in the tables of `Lines`. The loop stops at whatever it does not find
there or that touches more than lines of one dense page, `Checker` deals with that, and the loop goes on. So
the loop holds no rule: it can be slow about an event, and not wrong.
"""

from typing import TYPE_CHECKING

import numba
import numpy as np

from coldline.arm import MemoryType
from coldline.coherence.checker import FETCH_BITS, Checker
from coldline.coherence.lines import BAD, BAD_SHIFT, UNKNOWN
from coldline.coherence.pages import NOBODY, Refusal, maintenance_letter, walk_letter
from coldline.coherence.rules import Letter, Profile
from coldline.trace import PAGE_SIZE, Event, Op
from coldline.trace.columns import TYPE_MASK, Batch, pack_attributes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLOW = 255
_LINE_OPS = int(Op.IC_IVAU) + 1
_WALK, _FETCH, _WRITE, _ZVA = int(Op.WALK), int(Op.FETCH), int(Op.WRITE), int(Op.DC_ZVA)
_READ = int(Op.READ)
_BAD, _BAD_SHIFT, _FETCH_BITS, _UNKNOWN, _TYPES = BAD, BAD_SHIFT, FETCH_BITS, UNKNOWN, TYPE_MASK
_OTHER_OPS = (_READ, _WRITE, _FETCH, _ZVA)
_MAP, _UNMAP = int(Op.MAP), int(Op.UNMAP)
_UNMAP_CODE = 16
_HAZARDS = 4096

DONE, THINK, MISS, FULL = range(4)
"""Why the loop stopped: at the end; at an event for `Checker`; at a transition for `Lines`; hazards to note."""

# Where the loop's registers are in its array
AT, LINE_AT, STATUS, SHAPE, LETTER, START, END, FOUND, COUNTED = range(9)


@numba.njit(cache=True, boundscheck=False, nogil=True)
def _run(
    rows: "NDArray[np.void]",
    agent_of: "NDArray[np.int64]",
    letters: "NDArray[np.uint8]",
    maintenance: "NDArray[np.uint8]",
    walks: "NDArray[np.uint8]",
    moves: "NDArray[np.int32]",
    settings: "NDArray[np.uint8]",
    whole: "NDArray[np.int32]",
    memo_keys: "NDArray[np.uint64]",
    memo_values: "NDArray[np.int32]",
    lines: "NDArray[np.int32]",
    reported: "NDArray[np.uint8]",
    classes: "NDArray[np.int32]",
    index_pages: "NDArray[np.int64]",
    index_rows: "NDArray[np.int32]",
    line_bits: int,
    distinct: bool,
    registers: "NDArray[np.int64]",
    found: "NDArray[np.int64]",
) -> None:
    size_of_line = np.int64(1) << line_bits
    index_mask = np.uint64(len(index_pages) - 1)
    memo_mask = np.uint64(len(memo_keys) - 1)
    golden = np.uint64(0x9E3779B97F4A7C15)
    half = np.uint64(32)
    last_page, last_row = np.int64(-1), np.int64(-1)
    hazards, counted = registers[FOUND], registers[COUNTED]
    at, line_at = registers[AT], registers[LINE_AT]
    status = DONE
    while at < len(rows):
        op = np.int64(rows[at].op)
        moves_page = op in (_MAP, _UNMAP)
        if op >= _LINE_OPS and not moves_page:
            status = THINK
            break
        start = np.int64(rows[at].address)
        end = start + np.int64(rows[at].size)
        page = start >> 12
        if end <= start or (end - 1) >> 12 != page:
            status = THINK
            break
        if page != last_page:
            slot = ((np.uint64(page) * golden) >> half) & index_mask
            while index_pages[slot] != page and index_pages[slot] != -1:
                slot = (slot + np.uint64(1)) & index_mask
            if index_pages[slot] != page:
                status = THINK
                break
            last_page, last_row = page, np.int64(index_rows[slot])
        row = last_row
        new_class = np.int64(-1)
        if moves_page:
            code = np.int64(rows[at].attributes) if op == _MAP else np.int64(_UNMAP_CODE)
            old_class = np.int64(classes[row])
            new_class = np.int64(moves[old_class, agent_of[rows[at].agent], code])
            if new_class < 0 or end - start != 4096 or start & 4095:
                status = THINK
                break
            letter = np.int64(settings[new_class])
            if letter == settings[old_class]:
                classes[row] = new_class
                at += 1
                continue
        elif op == _WALK:
            letter = np.int64(walks[agent_of[rows[at].agent], rows[at].attributes & _TYPES])
        elif op <= _ZVA:
            letter = np.int64(letters[classes[row], agent_of[rows[at].agent], op])
            if op == _ZVA:
                start &= ~np.int64(63)
                end = (end + 63) & ~np.int64(63)
        else:
            letter = np.int64(maintenance[op])
            start &= ~(size_of_line - 1)
            end = (end + size_of_line - 1) & ~(size_of_line - 1)
        if letter == _SLOW:
            status = THINK
            break
        first = (start & 4095) >> line_bits
        last = ((end - 1) & 4095) >> line_bits
        index = max(first, line_at)
        line_at = np.int64(0)
        while index <= last:
            base = (page << 12) + (index << line_bits)
            low = max(start - base, np.int64(0))
            high = min(end - base, size_of_line)
            shape = np.int64(lines[row, index])
            if low == 0 and high == size_of_line:
                target = np.int64(whole[letter, shape])
            else:
                key = np.uint64(shape << 28 | letter << 23 | low << 12 | high)
                probe = ((key * golden) >> half) & memo_mask
                while memo_keys[probe] != key and memo_keys[probe] != 0:
                    probe = (probe + np.uint64(1)) & memo_mask
                target = np.int64(memo_values[probe]) if memo_keys[probe] == key else np.int64(_UNKNOWN)
            if target == _UNKNOWN:
                status = MISS
                registers[SHAPE], registers[LETTER] = shape, letter
                registers[START], registers[END] = low, high
                break
            if target & _BAD:
                bits = target >> _BAD_SHIFT << (_FETCH_BITS if op == _FETCH else 0)
                counted += 1
                if not distinct or bits & ~np.int64(reported[row, index]):
                    if hazards == len(found):
                        status = FULL
                        counted -= 1
                        break
                    found[hazards, 0], found[hazards, 1], found[hazards, 2] = at, base, shape
                    found[hazards, 3], found[hazards, 4], found[hazards, 5] = letter, low, high
                    hazards += 1
                    reported[row, index] |= np.uint8(bits)
                target &= ~np.int64(_BAD)
            lines[row, index] = target
            index += 1
        if status != DONE:
            line_at = index
            break
        if new_class >= 0:
            classes[row] = new_class
        at += 1
    registers[AT], registers[LINE_AT], registers[STATUS] = at, line_at, status
    registers[FOUND], registers[COUNTED] = hazards, counted


def feed_stream(checker: Checker, batch: Batch) -> None:
    """`Checker.feed` for many events."""
    base = checker.events
    registers = np.zeros(9, np.int64)
    found = np.zeros((_HAZARDS, 6), np.int64)
    agents = np.array([checker.pages.agent(name) for name in batch.agents], np.int64)
    lines, memory = checker.lines, checker.memory
    line_bits = checker.profile.line.bit_length() - 1
    letters = _Letters(checker, agents)
    while True:
        _run(
            batch.rows,
            agents,
            letters.accesses,
            letters.maintenance,
            letters.walks,
            letters.moves,
            letters.settings,
            lines.whole,
            lines.memo_keys,
            lines.memo_values,
            memory.lines,
            memory.reported,
            memory.classes,
            memory.index_pages,
            memory.index_rows,
            line_bits,
            checker.distinct,
            registers,
            found,
        )
        status = registers[STATUS]
        _note_hazards(checker, batch, base, registers, found)
        if status == DONE:
            break
        if status == MISS:
            shape, letter, start, end = (int(value) for value in registers[SHAPE : END + 1])
            lines.step(shape, Letter(letter), start, end)
        elif status == THINK:
            at = int(registers[AT])
            checker.events = base + at
            letters.think(batch.event(at), int(batch.rows["where"][at]))
            registers[AT] = at + 1
    checker.events = base + len(batch)


class _Letters:
    """What `Pages` makes of events, as arrays for the loop.

    Attributes
    ----------
    accesses : ndarray of uint8, shape (classes, agents, ops)
        The letter of an access, `_SLOW` where there is something to think about.
    walks : ndarray of uint8, shape (agents, 1 + types)
        The letter of a walk.
    moves : ndarray of int32, shape (classes, agents, attributes)
        The class of a page after a map, or after an unmap at `_UNMAP_CODE`; -1 where nobody knows yet.
    settings : ndarray of uint8, shape (classes,)
        The letter of each class's setting.
    maintenance : ndarray of uint8, shape (ops,)
        The letter of a maintenance operation.
    """

    def __init__(self, checker: Checker, agents: "NDArray[np.int64]") -> None:
        self._checker = checker
        self._agents = agents
        self.maintenance: NDArray[np.uint8] = _maintenance_letters(checker.profile)
        self._start()

    def think(self, event: Event, where: int) -> None:
        """Let the checker take an event, and learn from it."""
        checker = self._checker
        page = event.address // PAGE_SIZE
        one_page = event.op in (Op.MAP, Op.UNMAP) and event.size == PAGE_SIZE
        before = checker.memory.page_class(page) if one_page else NOBODY
        checker.event(event, where)
        if event.op >= Op.MMU_ON:
            self._start()
            return
        self._grow()
        if one_page:
            code = _UNMAP_CODE
            if event.memory_type is not None:
                code = pack_attributes(event.memory_type, event.executable)
            agent = checker.pages.agent(event.agent)
            self.moves[before, agent, code] = checker.memory.page_class(page)

    def _start(self) -> None:
        agents = len(self._checker.pages.agents)
        self.accesses: NDArray[np.uint8] = np.zeros((0, agents, _ZVA + 1), np.uint8)
        self.moves: NDArray[np.int32] = np.zeros((0, agents, _UNMAP_CODE + 1), np.int32)
        self.settings: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.walks: NDArray[np.uint8] = np.full((agents, TYPE_MASK + 1), _SLOW, np.uint8)
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
        accesses = np.full((size, agents, _ZVA + 1), _SLOW, np.uint8)
        moves = np.full((size, agents, _UNMAP_CODE + 1), -1, np.int32)
        accesses[:known], moves[:known] = self.accesses[:known], self.moves[:known]
        for page_class in range(known, wanted):
            for agent in self._agents.tolist():
                for op in _OTHER_OPS:
                    accesses[page_class, agent, op] = self._letter(page_class, agent, Op(op))
        self.accesses, self.moves = accesses, moves
        self.settings = np.array([Letter.of_setting(setting) for setting in pages.settings], np.uint8)

    def _letter(self, page_class: int, agent: int, op: Op) -> int:
        pages = self._checker.pages
        letter = pages.letter(page_class, agent, op)
        if isinstance(letter, Refusal):
            return _SLOW
        unseen = not pages.alias(page_class, agent).prefetched
        if op is Op.FETCH and not pages.agents[agent].mmu and unseen:
            return _SLOW
        return letter


def _maintenance_letters(profile: Profile) -> "NDArray[np.uint8]":
    table = np.full(_LINE_OPS, _SLOW, np.uint8)
    for op in Op:
        letter = maintenance_letter(op, profile)
        if letter is not None and op < _LINE_OPS:
            table[op] = letter
    return table


def _note_hazards(
    checker: Checker, batch: Batch, base: int, registers: "NDArray[np.int64]", found: "NDArray[np.int64]"
) -> None:
    for at, address, shape, letter, start, end in found[: registers[FOUND]].tolist():
        event, where = batch.event(at), int(batch.rows["where"][at])
        checker.found(event, where, address, 1, shape, Letter(letter), start, end, base + at)
    checker.hazards += int(registers[COUNTED])
    registers[FOUND] = registers[COUNTED] = 0


assert PAGE_SIZE == 4096
