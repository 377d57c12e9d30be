# SPDX-License-Identifier: GPL-2.0-or-later
"""What befell some cache lines: gathered in a second pass over the same events."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coldline.checker.state.page_classes import NOBODY, Pages, Refusal, maintenance_letter, walk_letter
from coldline.events import PAGE_SIZE, ZVA_BLOCK, Event, Op
from coldline.events.batch import Batch
from coldline.explain.least_cost import Ways
from coldline.explain.line_history import Happening, Lifeline, Shapes
from coldline.rules.letters import Letter

if TYPE_CHECKING:
    from numpy.typing import NDArray


NEVER = 1 << 62


class Code(NamedTuple):
    """Where an instruction is: its virtual and its physical address, and whether it is a Thumb one."""

    virtual: int
    physical: int
    thumb: bool = False


class _Switches(NamedTuple):
    """An agent's switches, as `Agent` has them."""

    mmu: bool = True
    dcache: bool = True
    icache: bool | None = None


_SWITCHED = {
    Op.MMU_ON: 0,
    Op.MMU_OFF: 0,
    Op.DCACHE_ON: 1,
    Op.DCACHE_OFF: 1,
    Op.ICACHE_ON: 2,
    Op.ICACHE_OFF: 2,
}
"""Which of `_Switches` an operation sets."""


@dataclass(slots=True)
class _Line:
    address: int
    life: Lifeline
    page_class: int = NOBODY
    switches: "tuple[_Switches, ...]" = ()
    told: dict[int, Happening] = field(default_factory=dict)


class Histories:
    """Gathers what befalls some lines in a second pass over the same events.

    Parameters
    ----------
    ways : Ways
        What the rules let become of a byte.
    addresses : iterable of int
        The first byte of each line to follow.
    wanted : iterable of int
        The numbers of the events to be told of, whose code is wanted; what comes after the last is passed over.

    Attributes
    ----------
    code : dict of int to Code
        Where the instruction of each wanted event is, as far as that can be told.
    """

    def __init__(self, ways: Ways, addresses: Iterable[int], wanted: Iterable[int]) -> None:
        self._profile = ways.profile
        self._pages = Pages()
        self._switches: tuple[_Switches, ...] = ()
        self._switched: dict[tuple[int, int], tuple[int, int, Event]] = {}
        shapes = Shapes(ways, ways.profile.line)
        self._lines = [_Line(address, Lifeline(shapes)) for address in sorted(set(addresses))]
        starts = self._addresses = [line.address for line in self._lines]
        pages = sorted({address // PAGE_SIZE for address in starts})
        self._starts = np.array(starts, np.uint64)
        self._windows = np.array([max(page - 1, 0) * PAGE_SIZE for page in pages], np.uint64)
        self._number = 0
        self._wanted = sorted(set(wanted))
        self._last = self._wanted[-1] if self._wanted else NEVER
        self.code: dict[int, Code] = {}

    def of(self, number: int, address: int) -> Happening | None:
        """Event `number`, one of those wanted, as it befell the line at `address`; None where it came too late
        in the line's life to be told.
        """
        return self._lines[bisect_left(self._addresses, address)].told.get(number)

    def epoch(self, number: int) -> int:
        """How many wanted events came before event `number`."""
        return bisect_left(self._wanted, number)

    def feed(self, batch: Batch, pcs: "NDArray[Any] | None" = None) -> None:
        """Take the events of `batch`, with their program counters (bit 0: Thumb state) where there are any."""
        for agent in batch.agents:
            self._pages.agent(agent)
        if pcs is not None:
            self._find_code(batch, pcs)
        wanted = batch.rows[: max(self._last + 1 - self._number, 0)]  # nothing later is told of
        for index in np.flatnonzero(self._concerns(wanted)).tolist():
            self._take(batch.event(index), self._number + index, int(wanted["where"][index]))
        self._number += len(batch)

    def _find_code(self, batch: Batch, pcs: "NDArray[Any]") -> None:
        """An access's instruction lies in the block of code that was fetched last."""
        ops = batch.rows["op"]
        for number in self._wanted:
            index = number - self._number
            if 0 <= index < len(batch):
                fetched = np.flatnonzero(ops[: index + 1] == Op.FETCH)
                if fetched.size:
                    last = int(fetched[-1])
                    counter = int(pcs[index])
                    virtual, thumb = counter & ~1, counter & 1 != 0
                    offset = virtual - (int(pcs[last]) & ~1)
                    self.code[number] = Code(virtual, int(batch.rows["address"][last]) + offset, thumb)

    def _concerns(self, rows: "NDArray[np.void]") -> "NDArray[np.bool_]":
        """Which events may touch a followed line or change what its page's aliases allow."""
        op, start = rows["op"], rows["address"]
        end = start + rows["size"]
        size = self._profile.line
        coarse = max(size, ZVA_BLOCK)
        touches = _overlaps(start, end, self._starts, coarse, coarse)
        maps = (op == Op.MAP) | (op == Op.UNMAP)
        near = (maps | (op == Op.FETCH)) & _overlaps(start, end, self._windows, 2 * PAGE_SIZE, 0)
        everywhere = (op >= Op.MMU_ON) | (op == Op.IC_IALLU) | (op == Op.IC_IALLUIS)
        if near.any():
            # A fetch near by counts only where an agent's MMU may be off, which is rare and short.
            off = any(not agent.mmu for agent in self._pages.agents) or bool(np.any(op == Op.MMU_OFF))
            near &= maps | off
        return np.asarray(touches | near | everywhere)

    def _take(self, event: Event, number: int, where: int) -> None:
        agent = self._pages.agent(event.agent)
        if event.op >= Op.MMU_ON:
            self._switch(event, agent, number, where)
            return
        letter = maintenance_letter(event.op, self._profile)
        start, end = _extent(event, self._profile.line, letter)
        if event.op in (Op.MAP, Op.UNMAP):
            for line in self._lines_in(start, end):
                self._remap(line, event, agent)
                self._note(line, event, number, where, None, 0, 0)
            return
        if event.op is Op.FETCH and not self._pages.agents[agent].mmu:
            self._prefetch(event, agent, number, where)
        if event.op is Op.WALK:
            assert event.memory_type is not None
            letter = walk_letter(event.memory_type)
        for line in self._lines_in(start, end):
            now = letter
            if now is None:
                decided = self._pages.letter(line.page_class, agent, event.op)
                now = None if isinstance(decided, Refusal) else decided
            low = max(start - line.address, 0)
            high = min(end - line.address, self._profile.line)
            self._note(line, event, number, where, now, low, high)

    def _lines_in(self, start: int, end: int) -> "list[_Line]":
        """The followed lines that a range of bytes meets."""
        addresses = self._addresses
        return self._lines[bisect_right(addresses, start - self._profile.line) : bisect_left(addresses, end)]

    def _remap(self, line: _Line, event: Event, agent: int) -> None:
        mapped = event.op is Op.MAP
        alias = self._pages.alias(line.page_class, agent)._replace(
            memory_type=event.memory_type if mapped else None,
            executable=event.executable if mapped else False,
        )
        line.page_class = self._pages.with_alias(line.page_class, agent, alias)

    def _prefetch(self, event: Event, agent: int, number: int, where: int) -> None:
        """A fetch with the MMU off reaches its pages and the one after; elsewhere in them it is worth telling."""
        first = event.address - event.address % PAGE_SIZE
        last = event.address + event.size - 1
        for line in self._lines_in(first, last - last % PAGE_SIZE + 2 * PAGE_SIZE):
            alias = self._pages.alias(line.page_class, agent)
            if alias.prefetched:
                continue
            line.page_class = self._pages.with_alias(line.page_class, agent, alias._replace(prefetched=True))
            if event.address >= line.address + self._profile.line or last < line.address:
                self._note(line, event, number, where, None, 0, 0)

    def _switch(self, event: Event, agent: int, number: int, where: int) -> None:
        self._pages.agents[agent].switch(event.op)
        self._switches = tuple(_Switches(each.mmu, each.dcache, each.icache) for each in self._pages.agents)
        self._switched[agent, _SWITCHED[event.op]] = (number, where, event)
        classes = set(self._pages.classes_of(agent))
        lines = [line for line in self._lines if line.page_class in classes]
        if event.op is Op.MMU_ON:
            for line in lines:
                alias = self._pages.alias(line.page_class, agent)
                if alias.prefetched:
                    line.page_class = self._pages.with_alias(
                        line.page_class, agent, alias._replace(prefetched=False)
                    )
        self._pages.refresh_settings(agent)
        for line in lines:
            self._note(line, event, number, where, None, 0, 0)

    def _note(
        self,
        line: _Line,
        event: Event,
        number: int,
        where: int,
        letter: Letter | None,
        start: int,
        end: int,
    ) -> None:
        if line.switches != self._switches:
            self._catch_up(line, number)
        if line.life.full:
            return
        setting = self._pages.settings[line.page_class]
        happening = Happening(event, number, where, letter, start, end, setting)
        epoch = bisect_right(self._wanted, number)
        line.life.add(happening, (line.page_class, self._switches), epoch)
        if epoch and self._wanted[epoch - 1] == number:
            line.told[number] = happening

    def _catch_up(self, line: _Line, until: int) -> None:
        """Note what agents with no alias of the line's page have switched since something befell the line.

        Of each switch the last time will do, and none if it is where it was: it changed nothing for the line.
        """
        setting = line.life.last.setting if line.life.last is not None else self._pages.settings[NOBODY]
        switched = []
        for agent, (was, now) in enumerate(zip_longest(line.switches, self._switches, fillvalue=_Switches())):
            for index, field_now in enumerate(now):
                if field_now != was[index]:
                    switched.append(self._switched[agent, index])
        line.switches = self._switches
        for number, where, event in sorted(switched):
            if number < until and not line.life.full:
                line.life.add(Happening(event, number, where, None, 0, 0, setting), None, 0)


def _overlaps(
    start: "NDArray[np.uint64]", end: "NDArray[np.uint64]", bases: "NDArray[np.uint64]", size: int, slack: int
) -> "NDArray[np.bool_]":
    """Which of the ranges `start` to `end`, widened by `slack`, meet a range of `size` bytes at one of `bases`."""
    wide = np.uint64(size + slack)
    low = np.searchsorted(bases, np.where(start >= wide, start - wide, np.uint64(0)), side="left")
    high = np.searchsorted(bases, end + np.uint64(slack), side="left")
    return np.asarray(high > low)


def _extent(event: Event, line: int, maintenance: Letter | None) -> tuple[int, int]:
    """The bytes that an event touches: whole lines for maintenance, whole blocks for ``dc zva``."""
    if event.op in (Op.IC_IALLU, Op.IC_IALLUIS):
        return 0, 1 << 64
    start, end = event.address, event.address + event.size
    unit = line if maintenance is not None else ZVA_BLOCK if event.op is Op.DC_ZVA else 1
    return start - start % unit, end + -end % unit
