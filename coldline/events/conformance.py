# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that any source of events keeps the protocol of `coldline.events.source`.

Each function of `CHECKS` takes a `SourceRig`. It raises `ConformanceError`, or an exception of the source itself, if
the source does not keep the protocol. An author of a front end calls `check_source` in its tests.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from coldline.errors import ConformanceError
from coldline.events.attributes import allowed_attributes
from coldline.events.batch import (
    EVENT_DTYPE,
    INSTRUCTION_DTYPE,
    Batch,
    InstructionState,
)
from coldline.events.event import ADDRESS_LIMIT, MAX_AGENTS
from coldline.events.op import Op
from coldline.events.source import Sink, Source
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEWEST: Final = 2
"""The last version of the form of a trace."""


@dataclass(frozen=True, slots=True)
class SourceRig:
    """A source to be checked.

    Attributes
    ----------
    open : callable
        Makes a source that has not run yet, in a context manager. Every one hands over the same events: at least one.
    instructions : bool
        Whether the source knows the instructions of its events.
    """

    open: Callable[[], AbstractContextManager[Source]]
    instructions: bool = False


def _fail(reason: str) -> NoReturn:
    raise ConformanceError(reason)


class _Copy:
    """A sink that copies rows, agents and instructions; agents are numbered by their first use."""

    def __init__(self) -> None:
        self.agents: dict[str, int] = {}
        self._rows: list[NDArray[np.void]] = []
        self._instructions: list[NDArray[np.void]] = []

    def take(self, batch: Batch) -> None:
        rows = batch.rows.copy()
        if len(rows):
            for number in np.unique(rows["agent"]).tolist():
                self.agents.setdefault(batch.agents[number], len(self.agents))
            numbers = [self.agents.get(name, 0) for name in batch.agents]
            rows["agent"] = np.array(numbers, np.uint16)[rows["agent"]]
        self._rows.append(rows)
        given = batch.instructions
        self._instructions.append(np.zeros(len(rows), INSTRUCTION_DTYPE) if given is None else given.copy())

    @property
    def rows(self) -> "NDArray[np.void]":
        return np.concatenate(self._rows) if self._rows else np.empty(0, EVENT_DTYPE)

    @property
    def instructions(self) -> "NDArray[np.void]":
        return np.concatenate(self._instructions) if self._instructions else np.empty(0, INSTRUCTION_DTYPE)


def _run(rig: SourceRig, sink: Sink, *, instructions: bool = False) -> None:
    with rig.open() as source:
        source.run(sink, instructions=instructions)


def _same(one: _Copy, other: _Copy, when: str) -> None:
    if one.agents != other.agents:
        _fail(f"{when}: agents are {list(other.agents)}, and were {list(one.agents)}")
    before, after = one.rows, other.rows
    if len(before) != len(after):
        _fail(f"{when}: {len(after)} events, and there were {len(before)}")
    if before.tobytes() != after.tobytes():
        first = int(np.flatnonzero(before != after)[0])
        _fail(f"{when}: event {first} is {after[first]}, and was {before[first]}")


def events_are_valid(rig: SourceRig) -> None:
    """Each row is an event: a known operation, an agent of its batch, and a range and a type if it has them."""
    seen = 0
    names: set[str] = set()

    def take(batch: Batch) -> None:
        nonlocal seen
        rows = batch.rows
        if rows.dtype != EVENT_DTYPE or rows.shape != (len(batch),):
            _fail(
                f"rows have type {rows.dtype} and shape {rows.shape}, and the batch has {len(batch)} events"
            )
        for index in range(len(rows)):
            if reason := _fault(rows[index], len(batch.agents)):
                _fail(f"event {seen + index}: {reason}")
        names.update(batch.agents)
        seen += len(rows)

    _run(rig, take)
    if not seen:
        _fail("the source has no events: a rig needs at least one")
    if len(names) > MAX_AGENTS:
        _fail(f"{len(names)} agents are more than {MAX_AGENTS}")


def _fault(row: "np.void", agents: int) -> str:
    """Return the fault of a row; empty if it has none."""
    address, size, _, agent, number, attributes = row.tolist()
    if number >= len(Op):
        return f"operation {number} is unknown"
    op = Op(number)
    if agent >= agents:
        return f"agent {agent} of {agents}"
    if attributes not in allowed_attributes(op, version=_NEWEST):
        return f"'{op.words}' has attributes {attributes:#x}"
    if not op.has_range:
        return "" if not address | size else f"'{op.words}' has the range {address:#x} + {size:#x}"
    if not size or address + size > ADDRESS_LIMIT or (op.traits.whole_pages and (address | size) % PAGE_SIZE):
        return f"'{op.words}' has the range {address:#x} + {size:#x}"
    return ""


def kept_batches_do_not_change(rig: SourceRig) -> None:
    """A batch that a sink keeps has the same columns until it is released."""
    copy, kept = _Copy(), []

    def take(batch: Batch) -> None:
        copy.take(batch)
        kept.append(batch.keep())

    with rig.open() as source:
        source.run(take, instructions=rig.instructions)
        later = _Copy()
        for batch in kept:
            later.take(batch)
        _same(copy, later, "kept")
        if copy.instructions.tobytes() != later.instructions.tobytes():
            _fail("kept: the instructions have changed")
        for batch in kept:
            batch.release()


def runs_are_alike_or_refused(rig: SourceRig) -> None:
    """A repeatable source hands over the same events at each run; any other refuses a second run."""
    with rig.open() as source:
        first, second = _Copy(), _Copy()
        source.run(first.take)
        if source.repeatable:
            source.run(second.take)
            _same(first, second, "at the second run")
            return
        try:
            source.run(second.take)
        except Exception:
            return
        _fail("the source is not repeatable, and a second run raised nothing")


def instructions_change_no_event(rig: SourceRig) -> None:
    """The events are the same with and without instructions."""
    without, with_them = _Copy(), _Copy()
    _run(rig, without.take)
    _run(rig, with_them.take, instructions=True)
    _same(without, with_them, "with instructions")


def instructions_are_where_the_code_is(rig: SourceRig) -> None:
    """Each known instruction has a state and an aligned address, and that of a fetch is the first one fetched."""
    copy = _Copy()

    def take(batch: Batch) -> None:
        given = batch.instructions
        if given is not None and (given.dtype != INSTRUCTION_DTYPE or given.shape != (len(batch),)):
            _fail(f"instructions have type {given.dtype} and shape {given.shape} for {len(batch)} events")
        copy.take(batch)

    _run(rig, take, instructions=True)
    rows, instructions = copy.rows, copy.instructions
    states = instructions["state"]
    known = states != InstructionState.UNKNOWN
    if rig.instructions != bool(known.any()):
        _fail(f"instructions are {'' if known.any() else 'un'}known, and the rig says otherwise")
    if np.any(states > max(InstructionState)):
        _fail(f"an instruction has the state {int(states.max())}")
    size = np.where(states == InstructionState.T32, 2, 4)
    for column in ("virtual", "physical"):
        if np.any(known & (instructions[column] % size != 0)):
            _fail(f"an instruction's {column} address is not aligned")
    fetches = known & (rows["op"] == Op.FETCH)
    wrong = np.flatnonzero(fetches & (rows["address"] != instructions["physical"]))
    if wrong.size:
        _fail(f"event {int(wrong[0])} fetches {rows[wrong[0]]} for the instruction {instructions[wrong[0]]}")


class _RefusedError(Exception):
    """The exception that a sink raises in these checks."""


def a_sinks_exception_ends_the_run(rig: SourceRig) -> None:
    """An exception of a sink leaves `run`, and the sink is not called again."""
    calls = 0

    def refuse(_: Batch) -> None:
        nonlocal calls
        calls += 1
        raise _RefusedError

    try:
        _run(rig, refuse)
    except _RefusedError:
        if calls != 1:
            _fail(f"the sink was called {calls - 1} times after it had raised an exception")
        return
    _fail("the sink's exception did not leave the run")


CHECKS: Final = (
    events_are_valid,
    kept_batches_do_not_change,
    runs_are_alike_or_refused,
    instructions_change_no_event,
    instructions_are_where_the_code_is,
    a_sinks_exception_ends_the_run,
)
"""Every check, each to be called with a `SourceRig`."""


def check_source(rig: SourceRig) -> None:
    """Run every check on a source.

    Raises
    ------
    ConformanceError
        If it does not keep the protocol.
    """
    for each in CHECKS:
        each(rig)
