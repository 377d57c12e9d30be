# SPDX-License-Identifier: GPL-2.0-or-later
"""Collects the events of some cache lines, in a second pass over the same events.

Longer than 300 lines because all kinds of events are taken here, as by `coldline.checker.interpreter`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.access_letters import Refusal
from coldline.checker.state.agents import Switches
from coldline.checker.state.aliases import AliasChange, alias_changes, walked
from coldline.checker.state.beginnings import note_begun
from coldline.checker.state.core_vocabulary import vocabulary_of
from coldline.checker.state.extents import reach_of
from coldline.checker.state.page_classes import UNMAPPED, PageClasses
from coldline.checker.state.vocabulary import AnyLetter
from coldline.events import PAGE_SIZE, Event, Op
from coldline.events.agent_names import is_one_agent
from coldline.events.batch import Batch
from coldline.events.op import Kind
from coldline.explain.event_code import Code, code_of, instruction_of
from coldline.explain.least_cost import LeastCosts
from coldline.explain.line_history import LineEvent, LineHistory, LineShapes
from coldline.explain.ordered_cost import OrderedCosts
from coldline.explain.overlaps import overlaps
from coldline.explain.selection import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray


_NEVER = 1 << 62


_EVERYWHERE = np.array([op.traits.everywhere for op in Op])
_ALIAS = np.array([op.kind is Kind.ALIAS for op in Op])
_BARRIER = np.array([op.kind is Kind.BARRIER for op in Op])


@dataclass(slots=True)
class _Line:
    address: int
    life: LineHistory
    page_class: int = UNMAPPED
    switches: "tuple[tuple[Switches, ...], ...]" = ()
    told: dict[int, LineEvent] = field(default_factory=dict)


class History:
    """Collects the events of some lines in a second pass.

    Parameters
    ----------
    ways : LeastCosts
        The costs of a byte's microstates, by the rules.
    addresses : iterable of int
        The first byte of each line to follow.
    wanted : iterable of int
        The numbers of the events with hazards, whose code is wanted. Events after the last of them are skipped.
    noted : callable, optional
        Called with each event that is kept, and with the class of its line's page after it.
    barriers : bool
        See `LineHistory`.

    Attributes
    ----------
    pages : PageClasses
        The agents and their aliases, after the events so far.
    code : dict of int to Code
        The instruction of each wanted event, if the source knows it.
    """

    def __init__(
        self,
        ways: LeastCosts | OrderedCosts,
        addresses: Iterable[int],
        wanted: Iterable[int],
        *,
        noted: Callable[[LineEvent, int], None] | None = None,
        barriers: bool = False,
    ) -> None:
        self._profile = ways.profile
        self._granule = ways.profile.program_order_granule
        self.pages = PageClasses(vocabulary_of(ways.profile))
        self._switches: tuple[tuple[Switches, ...], ...] = ()
        self._switched: dict[tuple[int, int], tuple[int, int, Event]] = {}
        shapes = LineShapes(ways, ways.profile.line)
        self._lines = [
            _Line(address, LineHistory(shapes, barriers=barriers)) for address in sorted(set(addresses))
        ]
        self._numbers = {line.address: line for line in self._lines}
        self._concerned: dict[int, _Line] = {}
        self._since: dict[tuple[Op, int], dict[int, _Line]] = {}
        starts = self._addresses = [line.address for line in self._lines]
        pages = sorted({address // PAGE_SIZE for address in starts})
        self._starts = np.array(starts, np.uint64)
        self._windows = np.array([max(page - 1, 0) * PAGE_SIZE for page in pages], np.uint64)
        self._noted = noted
        self._number = 0
        self._doing: Code | None = None
        self._idle: set[tuple[int, int] | None] = set()
        """Barriers that would change nothing, as nothing has changed since they last did not."""
        self._wanted = sorted(set(wanted))
        self._last = self._wanted[-1] if self._wanted else _NEVER
        self.code: dict[int, Code] = {}

    def of(self, number: int, address: int) -> LineEvent | None:
        """The wanted event `number` in the history of the line at `address`; None where it came after the most
        events that are kept of a line.
        """
        return self._lines[bisect_left(self._addresses, address)].told.get(number)

    @property
    def events(self) -> int:
        """The number of events so far."""
        return self._number

    def epoch(self, number: int) -> int:
        """The number of wanted events before event `number`."""
        return bisect_left(self._wanted, number)

    def count(self, batch: Batch) -> None:
        """Count the events of `batch`, of which those that may concern a line were fed."""
        for agent in batch.agents:
            if is_one_agent(agent):
                self.pages.agent(agent)
        self._number += len(batch)

    def feed(self, part: Part) -> None:
        """Take events, with their instructions if they have them."""
        batch, numbers = part
        for agent in batch.agents:
            if is_one_agent(agent):
                self.pages.agent(agent)
        self.code |= code_of(part, self._wanted)
        wanted = batch.rows[: np.searchsorted(numbers, self._last, side="right")]  # no story has later events
        concerned = np.flatnonzero(self._concerns(wanted))
        for index, barrier in zip(concerned.tolist(), self._barriers(batch, concerned), strict=True):
            if barrier is not None and barrier in self._idle:
                continue
            event = batch.event(index)
            if event.op.kind is Kind.SWITCH:
                note_begun(self.pages, batch.agents, wanted[:index])
            self._doing = instruction_of(batch, index)
            if self._take(event, int(numbers[index]), int(wanted["where"][index])):
                self._idle.clear()
            else:
                self._idle.add(barrier)
        note_begun(self.pages, batch.agents, wanted)

    def _concerns(self, rows: "NDArray[np.void]") -> "NDArray[np.bool_]":
        """Select the events that may touch a followed line or change what its page's aliases allow."""
        op, start = rows["op"], rows["address"]
        end = start + rows["size"]
        size = self._profile.line
        coarse = max(size, self._profile.zva)
        touches = overlaps(start, end, self._starts, coarse, coarse)
        maps = _ALIAS[op]
        walks = (op == Op.WALK) & self._profile.has_barriers
        near = (maps | walks | (op == Op.FETCH)) & overlaps(start, end, self._windows, 2 * PAGE_SIZE, 0)
        if near.any():
            # A nearby fetch counts only while an agent's MMU may be off, which is rare and short.
            off = any(agent.may_be_off for agent in self.pages.agents) or bool(np.any(op == Op.MMU_OFF))
            near &= maps | walks | off
        return np.asarray(touches | near | _EVERYWHERE[op])

    def _barriers(self, batch: Batch, indices: "NDArray[np.intp]") -> "list[tuple[int, int] | None]":
        """For each of some events its operation and its agent, if it is a barrier."""
        rows = batch.rows[indices]
        names = batch.agents
        return [
            (op, self.pages.agent(names[agent])) if is_barrier else None
            for is_barrier, op, agent in zip(
                _BARRIER[rows["op"]].tolist(), rows["op"].tolist(), rows["agent"].tolist(), strict=True
            )
        ]

    def _take(self, event: Event, number: int, where: int) -> bool:
        """Take an event; return False for a barrier that changed nothing."""
        if event.op.kind is not Kind.BARRIER:
            self._take_other(event, number, where)
            return True
        agent = self.pages.agent(event.agent)
        if event.op is Op.DSB and self.pages.has_endings:
            self._end_mappings(event, agent, number, where)
        if event.op is Op.ISB:
            self._synchronise(agent)
        letter = self.pages.maintenance(event.op, agent)
        lines = self._unsettled(event.op, agent)
        for line in lines:
            self._note(line, event, number, where, letter, 0, self._profile.line)
        return bool(lines)

    def _take_other(self, event: Event, number: int, where: int) -> None:
        if event.op is Op.POWER_OFF:
            start, end = reach_of(event, self._profile)
            for line in self._lines_in(start, end):
                off = self.pages.vocabulary.power_off()
                self._note(line, event, number, where, off, 0, self._profile.line)
            return
        if event.op is Op.GIVE:
            self._give(event, number, where)
            return
        agent = self.pages.agent(event.agent)
        if event.op.kind is Kind.SWITCH:
            self._switch(event, agent, number, where)
            return
        if event.op.kind is Kind.TLB:
            self._end_mappings(event, agent, number, where)
            return
        letter = self.pages.maintenance(event.op, agent) if event.op.kind is Kind.MAINTENANCE else None
        start, end = reach_of(event, self._profile)
        if event.op.kind is Kind.ALIAS:
            self.pages.has_endings |= event.op is Op.DESCRIPTOR
            self._change_aliases(alias_changes(self.pages, event, agent), agent)
            for line in self._lines_in(start, end):
                self._note(line, event, number, where, None, 0, 0)
            return
        if event.op in (Op.FETCH, Op.WALK):
            changes = alias_changes if event.op is Op.FETCH else walked
            for line in self._change_aliases(changes(self.pages, event, agent), agent):
                if end <= line.address or line.address + self._profile.line <= start:
                    self._note(
                        line, event, number, where, None, 0, 0
                    )  # it reaches the line by a prefetch, or by a later walk, alone
        for line in self._lines_in(start, end):
            now = letter
            if event.op is Op.WALK:
                now = self.pages.walk(event, agent, line.page_class)
            elif now is None:
                decided = self.pages.letter(line.page_class, agent, event.op)
                now = None if isinstance(decided, Refusal) else decided
            low = max(start - line.address, 0)
            high = min(end - line.address, self._profile.line)
            self._note(line, event, number, where, now, low, high)

    def _end_mappings(self, event: Event, agent: int, number: int, where: int) -> None:
        """Apply a TLBI or a DSB to the mappings that are ending, and to walks."""
        pages, core = self.pages, self.pages.vocabulary.core_of(agent)
        start, end = reach_of(event, self._profile)
        for line in self._lines_in(start, end):
            before = line.page_class
            if event.op is Op.DSB:
                moved = pages.translations_after(lambda alias: alias.after_dsb(core), [before])
            else:
                moved = pages.translations_after(lambda alias: alias.after_tlbi(core), [before])
                pages.has_endings |= bool(moved)
            line.page_class = moved.get(before, before)
            if event.op is not Op.DSB and moved:
                self._note(line, event, number, where, None, 0, 0)
            elif moved:
                self._concerned[line.address] = line

    def _synchronise(self, agent: int) -> None:
        """Let the last switches of an agent's core be the only ones in force."""
        for each in self.pages.vocabulary.core_mates(agent):
            if self.pages.agents[each].earlier:
                classes = set(self.pages.classes_of(each))
                moved = self.pages.synchronise(each)
                self.pages.take_switches(each)
                for line in self._lines:
                    if line.page_class in classes:
                        line.page_class = moved.get(line.page_class, line.page_class)
                        self._concerned[line.address] = line
        self._switches = tuple(agent.settings for agent in self.pages.agents)

    def _give(self, event: Event, number: int, where: int) -> None:
        """Give pages to owners; those that have just these owners already stay as they are."""
        pages = self.pages
        owners = frozenset(map(pages.agent, event.agent.split(" ")))
        pages.has_owners = True
        for line in self._lines_in(event.address, event.address + event.size):
            before = pages.owners(line.page_class)
            letter = None if before == owners else pages.vocabulary.gift()
            for agent in sorted(before | owners):
                alias = pages.alias(line.page_class, agent)._replace(owns=agent in owners)
                line.page_class = pages.with_alias(line.page_class, agent, alias)
            self._note(line, event, number, where, letter, 0, self._profile.line)

    def _unsettled(self, op: Op, agent: int) -> "list[_Line]":
        """The lines that have changed since the agent's last such barrier; others stay as they are."""
        numbers = self._since.get((op, agent), self._numbers) | self._concerned
        self._since[op, agent] = {}
        self._concerned = {}
        return list(numbers.values())

    def _lines_in(self, start: int, end: int) -> "list[_Line]":
        """The followed lines that a range of bytes overlaps."""
        addresses = self._addresses
        return self._lines[bisect_right(addresses, start - self._profile.line) : bisect_left(addresses, end)]

    def _change_aliases(self, changes: Iterable[AliasChange], agent: int) -> "list[_Line]":
        """Apply changes of aliases; return the lines that a prefetch or a walk can newly reach."""
        reached = []
        for first, end, change in changes:
            for line in self._lines_in(first * PAGE_SIZE, end * PAGE_SIZE):
                before = self.pages.alias(line.page_class, agent)
                after = change(before, line.address)
                line.page_class = self.pages.with_alias(line.page_class, agent, after)
                prefetched = after.prefetched and not before.prefetched
                walked_now = (after.walked, after.walked_pou) != (before.walked, before.walked_pou)
                if prefetched or walked_now:
                    reached.append(line)
        return reached

    def _switch(self, event: Event, agent: int, number: int, where: int) -> None:
        classes = set(self.pages.classes_of(agent))
        lines = [line for line in self._lines if line.page_class in classes]
        waits = self._profile.has_barriers and self.pages.agents[agent].begun
        moved = self.pages.forget_prefetches(agent) if event.op is Op.MMU_ON and not waits else {}
        for line in lines:
            line.page_class = moved.get(line.page_class, line.page_class)
        self.pages.switch(event.op, agent)
        moved = self.pages.after_switch(agent)
        for line in lines:
            line.page_class = moved.get(line.page_class, line.page_class)
        self._switches = tuple(agent.settings for agent in self.pages.agents)
        switch = event.op.traits.switch
        assert switch is not None
        self._switched[agent, Switches._fields.index(switch.name)] = (number, where, event)
        for line in lines:
            self._note(line, event, number, where, None, 0, 0)

    def _note(
        self,
        line: _Line,
        event: Event,
        number: int,
        where: int,
        letter: AnyLetter | None,
        start: int,
        end: int,
    ) -> None:
        before = line.life.shape
        if line.switches != self._switches:
            self._catch_up(line, number)
        if line.life.full:
            return
        setting = self.pages.settings[line.page_class]
        line_event = LineEvent(event, number, where, letter, start, end, setting, self._granule)
        line_event.code = self._doing
        epoch = bisect_right(self._wanted, number)
        line.life.add(line_event, (line.page_class, self._switches), epoch)
        if event.op.kind is not Kind.BARRIER or line.life.shape != before:
            for since in self._since.values():
                since[line.address] = line
        if self._noted is not None and line.life.last is line_event:
            self._noted(line_event, line.page_class)
        if epoch and self._wanted[epoch - 1] == number:
            line.told[number] = line_event

    def _catch_up(self, line: _Line, until: int) -> None:
        """Add the switches that agents without an alias of the line's page have set since the line's last event.

        The last change of each switch suffices. If it is back at its old value, none is needed.
        """
        setting = line.life.last.setting if line.life.last is not None else self.pages.settings[UNMAPPED]
        switched = []
        for agent, (was, now) in enumerate(
            zip_longest(line.switches, self._switches, fillvalue=(Switches(),))
        ):
            for index, field_now in enumerate(now[0]):
                if field_now != was[0][index]:
                    switched.append(self._switched[agent, index])
        line.switches = self._switches
        for number, where, event in sorted(switched):
            if number < until and not line.life.full:
                line.life.add(LineEvent(event, number, where, None, 0, 0, setting, self._granule), None, 0)
