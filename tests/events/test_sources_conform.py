# SPDX-License-Identifier: GPL-2.0-or-later
"""Every source of events keeps the protocol of a front end, and the suite detects sources that do not."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from coldline.arm import MemoryType
from coldline.arm.cores import CORES
from coldline.errors import ConformanceError, TraceError
from coldline.events import Event, Op
from coldline.events.batch import INSTRUCTION_DTYPE, Batch, InstructionState
from coldline.events.conformance import CHECKS, SourceRig, check_source
from coldline.events.source import Batches, Sink, Source
from coldline.rules.profile import Profile
from coldline.trace.files import TraceFile
from coldline.trace.spool import Spool
from coldline.trace.writing import TraceWriter

PAGE = 0x4000_0000
EVENTS = (
    Event("dom0", Op.MAP, PAGE, 0x1000, MemoryType.NORMAL_WB),
    Event("dom0", Op.WRITE, PAGE, 64),
    Event("guest", Op.MMU_OFF),
    Event("guest", Op.FETCH, PAGE, 16),
    Event("guest", Op.WALK, PAGE + 8, 8, MemoryType.NORMAL_NC),
    Event("guest", Op.WRITE, PAGE + 64, 8),
    Event("guest", Op.IC_IALLU),
    Event("dom0", Op.UNMAP, PAGE, 0x1000),
)


def batches() -> list[Batch]:
    return [Batch.of(EVENTS[:2]), Batch.of(EVENTS[2:])]


def with_instructions(physical: int = PAGE, state: int = InstructionState.A64) -> list[Batch]:
    """The same with instructions in the second batch."""
    host, guest = batches()
    rows = np.zeros(len(guest), INSTRUCTION_DTYPE)
    rows["virtual"], rows["physical"], rows["state"] = 0xFFFF_0000, physical, state
    return [host, Batch(guest.agents, guest.rows, instructions=rows)]


class Once:
    """A source that can run only once, like a real machine."""

    repeatable = False

    def __init__(self, given: list[Batch]) -> None:
        self._given: list[Batch] | None = given

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        if self._given is None:
            raise TraceError("", "it has run")
        given, self._given = self._given, None
        for batch in given:
            sink(batch)


def opened(make: Callable[[], Source]) -> Callable[[], contextlib.AbstractContextManager[Source]]:
    return lambda: contextlib.nullcontext(make())


def trial(name: str, core: str) -> Source:
    pytest.importorskip("unicorn")
    pytest.importorskip("numba")
    from coldline.frontends.unicorn import End, Until
    from coldline.guest import GuestOptions, make_plan
    from coldline.hypervisor import HOST_MODELS
    from coldline.image import load_kernel
    from coldline.samples import sample
    from coldline.simulation import Trial

    return Trial(
        plan=make_plan(load_kernel(sample(name).image), GuestOptions(memory=64 << 20)),
        strategy="uncached",
        model=HOST_MODELS["rfc"],
        core=CORES[core],
        until=Until(End.OFF, 100_000),
    )


@pytest.fixture(params=["text", "binary"])
def trace(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "trace"
    with TraceWriter(str(path), Profile(), request.param) as writer:
        for batch in batches():
            writer.write(batch)
    return path


@contextlib.contextmanager
def through_a_pipe(content: bytes, tmp_path: Path) -> Iterator[TraceFile]:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    feeder = threading.Thread(target=lambda: fifo.write_bytes(content))
    feeder.start()
    try:
        with TraceFile(str(fifo)) as opened_trace:
            yield opened_trace
    finally:
        feeder.join()
        fifo.unlink()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
class TestSources:
    @pytest.mark.parametrize(
        ("name", "core"), [("midway-arm64", "cortex-a57"), ("midway-arm32", "cortex-a15")]
    )
    def test_unicorn(self, check: Callable[[SourceRig], None], name: str, core: str) -> None:
        check(SourceRig(opened(lambda: trial(name, core)), instructions=True))

    def test_a_trace_file(self, check: Callable[[SourceRig], None], trace: Path) -> None:
        check(SourceRig(lambda: TraceFile(str(trace))))

    def test_a_trace_from_a_pipe(
        self, check: Callable[[SourceRig], None], trace: Path, tmp_path: Path
    ) -> None:
        check(SourceRig(lambda: through_a_pipe(trace.read_bytes(), tmp_path)))

    def test_a_pipe_with_a_spool(
        self, check: Callable[[SourceRig], None], trace: Path, tmp_path: Path
    ) -> None:
        @contextlib.contextmanager
        def spooled() -> Iterator[Source]:
            with through_a_pipe(trace.read_bytes(), tmp_path) as pipe, Spool(pipe) as spool:
                yield spool

        check(SourceRig(spooled))

    def test_batches_in_memory(self, check: Callable[[SourceRig], None]) -> None:
        check(SourceRig(opened(lambda: Batches(batches()))))
        check(SourceRig(opened(lambda: Batches(with_instructions())), instructions=True))

    def test_what_comes_once(self, check: Callable[[SourceRig], None]) -> None:
        check(SourceRig(opened(lambda: Once(batches()))))
        check(SourceRig(lambda: Spool(Once(batches()))))
        check(SourceRig(lambda: Spool(Once(with_instructions()), instructions=True), instructions=True))


class Changing(Once):
    """Claims to be repeatable; its second run lacks an event."""

    repeatable = True
    _runs = 0

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        self._runs += 1
        sink(Batch.of(EVENTS[: len(EVENTS) + 1 - self._runs]))


class Unending(Once):
    """Claims not to be repeatable, and can be run again."""

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        sink(Batch.of(EVENTS))


class Deaf(Once):
    """Ignores an exception of its sink."""

    repeatable = True

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        for _ in range(2):
            with contextlib.suppress(Exception):
                sink(Batch.of(EVENTS))


class Reusing(Once):
    """Overwrites its rows although a sink keeps them."""

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        rows = Batch.of(EVENTS[3:4]).rows.copy()
        for _ in range(2):
            rows["address"] += 4
            sink(Batch(["guest"], rows, lambda: None))


class Meddling(Once):
    """Has fewer events if it is asked for instructions."""

    repeatable = True

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        sink(Batch.of(EVENTS[int(instructions) :]))


def changed(field: str, value: int, index: int = 1) -> Source:
    rows = Batch.of(EVENTS).rows.copy()
    rows[field][index] = value
    return Batches([Batch(["dom0", "guest"], rows)])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Batches([]), "the source has no events"),
        (lambda: changed("op", 99), "event 1: operation 99 is unknown"),
        (lambda: changed("agent", 7), "event 1: agent 7 of 2"),
        (lambda: changed("size", 0), "event 1: 'write' has the range 0x40000000 \\+ 0x0"),
        (lambda: changed("attributes", 1), "event 1: 'write' has attributes 0x1"),
        (lambda: changed("address", 4, 0), "event 0: 'map' has the range 0x4 \\+ 0x1000"),
        (lambda: changed("address", 1 << 52), "event 1: 'write' has the range"),
        (lambda: changed("size", 8, 2), "event 2: 'mmu off' has the range"),
        (lambda: Changing([]), "at the second run: 7 events, and there were 8"),
        (lambda: Unending([]), "not repeatable, and a second run raised nothing"),
        (lambda: Deaf([]), "the sink's exception did not leave the run"),
        (lambda: Reusing([]), "kept: event 0 is"),
        (lambda: Meddling([]), "with instructions: "),
        (lambda: Batches(with_instructions()), "instructions are known, and the rig says otherwise"),
    ],
)
def test_what_does_not_conform_is_found(make: Callable[[], Source], said: str) -> None:
    with pytest.raises(ConformanceError, match=said):
        check_source(SourceRig(opened(make)))


@pytest.mark.parametrize(
    ("physical", "state", "said"),
    [
        (PAGE + 8, InstructionState.A64, "event 3 fetches"),
        (PAGE + 2, InstructionState.A32, "physical address is not aligned"),
        (PAGE, 4, "an instruction has the state 4"),
        (PAGE, InstructionState.UNKNOWN, "instructions are unknown, and the rig says otherwise"),
    ],
)
def test_instructions_that_do_not_conform_are_found(physical: int, state: int, said: str) -> None:
    with pytest.raises(ConformanceError, match=said):
        check_source(
            SourceRig(opened(lambda: Batches(with_instructions(physical, state))), instructions=True)
        )


def test_a_spool_of_what_cannot_be_kept_refuses_the_second_run() -> None:
    with Spool(Once([Batch.of([Event("guest", Op.READ, PAGE, 0)])])) as spool:
        spool.run(lambda batch: None)
        with pytest.raises(TraceError, match="it can be read only once"):
            spool.run(lambda batch: None)


def test_a_spool_runs_a_repeatable_source_again() -> None:
    given = list(batches())
    source, seen = Batches(given), list[Batch]()
    with Spool(source) as spool:
        for _ in range(2):
            spool.run(seen.append)
    assert seen == given * 2
