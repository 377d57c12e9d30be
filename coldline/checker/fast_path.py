# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine for many events: compiled loops, and the interpreter for the events that they leave to it.

A loop stops at an event that changes more than lines of a page or two, the interpreter takes that event, and the loop
goes on. So an event that a loop does not know costs time, and is never taken wrongly.
"""

from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.compiled import frame
from coldline.checker.compiled_dense_rows import CompiledRows
from coldline.checker.dispatch import DispatchTables
from coldline.checker.interpreter import Interpreter
from coldline.checker.state.check_state import CheckState
from coldline.checker.state.found_runs import FoundRuns
from coldline.checker.state.letters import OF_MASTERS
from coldline.checker.state.page_classes import UNMAPPED
from coldline.events import PAGE_SIZE, Event, Op
from coldline.events.agent_names import is_one_agent
from coldline.events.batch import Batch
from coldline.events.op import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray


_OF_MASTERS = np.array([op in OF_MASTERS for op in Op])
_OF_PAGES = frozenset({Op.MAP, Op.UNMAP, Op.DESCRIPTOR, Op.TLBI})
_IMPERSONAL = np.array([op.traits.impersonal for op in Op])


class FastPath:
    """Takes events by the million.

    Parameters
    ----------
    state : CheckState
        The check's state.
    interpreter : Interpreter
        The engine for single events, of the same state.
    rows : CompiledRows
        The compiled operations on rows, of the same state.

    Attributes
    ----------
    has_polls : bool
        Whether the last batch had polls.
    """

    def __init__(self, state: CheckState, interpreter: Interpreter, rows: CompiledRows) -> None:
        self._state = state
        self._interpreter = interpreter
        self._rows = rows
        self._loops = rows.loops
        self._tables = DispatchTables(state.page_classes, state.lines.transitions)
        self.has_polls = False

    def feed(self, batch: Batch) -> None:
        """Apply the events of `batch`: see `Checker.feed`."""
        state, loops, registers = self._state, self._loops, self._loops.registers
        base = state.events
        self.has_polls = False
        rows = np.ascontiguousarray(batch.rows)
        agents: NDArray[np.uint64] = np.array(self._agents(batch), np.uint64)
        end = self._end(rows, agents)
        self._tables.refresh()
        loops.point(rows=rows, agent_of=agents)
        registers["events"], registers["at"], registers["done"] = end, 0, 0
        registers["barrier_rows"] = registers["barrier_row_at"] = 0
        while True:
            self._update()
            loops.call("take")
            taken = loops.take_found()
            if len(taken):
                found = FoundRuns(taken, batch, base)
                state.findings.add_found(found.counts(), found.findings)
            status = int(registers["status"])
            if status == frame.DONE:
                break
            if status == frame.INTERPRET:
                at = int(registers["at"])
                state.events = base + at
                self._interpret(batch.event(at), int(batch.rows["where"][at]))
                registers["at"] = at + 1
            else:
                self._rows.make_room(status)
        state.events = base + end
        for at in range(end, len(batch)):
            event = batch.event(at)
            self.has_polls |= event.op is Op.POLL
            self._interpreter.event(event, int(batch.rows["where"][at]))

    def _agents(self, batch: Batch) -> list[int]:
        """The numbers of the agents of `batch`; any number for names that no agent has."""
        agent = self._state.page_classes.agent
        return [agent(name) if is_one_agent(name) else 0 for name in batch.agents]

    def _end(self, rows: "NDArray[np.void]", agents: "NDArray[np.uint64]") -> int:
        """The number of events before the first one that a master cannot do, of which the loops know nothing."""
        classes = self._state.page_classes
        if not classes.agents:
            return len(rows)  # nobody did these events
        of_master = np.array([classes.vocabulary.is_master(agent) for agent in agents.tolist()], bool)
        if not of_master.any():
            return len(rows)
        wrong = of_master[rows["agent"]] & ~(_OF_MASTERS | _IMPERSONAL)[rows["op"]]
        return int(np.argmax(wrong)) if wrong.any() else len(rows)

    def _interpret(self, event: Event, where: int) -> None:
        """Let the interpreter take an event, and record its results for the loops, for the next such event."""
        state, traits = self._state, event.op.traits
        self.has_polls |= event.op is Op.POLL
        page = event.address // PAGE_SIZE
        moves_one_page = event.op in _OF_PAGES and event.size == PAGE_SIZE
        before = state.memory.page_class(page) if moves_one_page else UNMAPPED
        self._interpreter.event(event, where)
        if self._tables.refresh():
            return
        if traits.impersonal:
            return
        agent = state.page_classes.agent(event.agent)
        through_alias = traits.by_alias or (traits.kind is Kind.MAINTENANCE and traits.has_range)
        if through_alias:
            for place in (event.address, event.address + event.size - 1):
                self._tables.learn_access(state.memory.page_class(place // PAGE_SIZE), agent, event.op)
        if traits.kind is Kind.BARRIER:
            self._tables.learn_barrier(agent, event.op)
        if event.op is Op.WALK:
            self._tables.learn_walk(event, agent)
        if moves_one_page:
            self._tables.learn_move(before, agent, event, state.memory.page_class(page))

    def _update(self) -> None:
        tables = self._tables
        self._loops.update()
        self._loops.point(
            actions=tables.actions,
            letters=tables.accesses,
            maintenance=tables.maintenance,
            walks=tables.walks,
            comes=tables.comes,
            walked=tables.walked,
            moves=tables.moves,
            barriers=tables.barriers,
            settings=tables.settings,
            endings=tables.endings,
        )
        self._loops.registers["agents"] = tables.accesses.shape[1]
