# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest does, recorded once, and with it trials that differ in what their hosts do.

A guest's own events do not depend on how it was built, nor on what its host does to caches: each strategy loads the
same bytes, and a host maintains memory without a change of it. They depend on the guest's second stage of
translation, and so on whether the host forces write-back. So one boot serves all trials with the same `guest_of`.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from coldline.errors import HypervisorError
from coldline.events.batch import Batch
from coldline.events.relay import Relay
from coldline.events.source import Sink, Source
from coldline.frontends.unicorn import Outcome
from coldline.hypervisor.model_events import Ranges
from coldline.simulation import HostSide, Trial
from coldline.trace.spool import Spool


def guest_of(trial: Trial) -> tuple[bool, bool]:
    """What a guest's events depend on, among trials that differ in strategy, host and switches of the profile."""
    return trial.model.forced_write_back, trial.model.has_strategies


class _Answer(NamedTuple):
    """Something that a guest's host answers: after how many of the guest's events, and how it is told."""

    after: int
    tell: Callable[[HostSide], None]


class GuestRecord:
    """The events of a guest, and what its host answers, of one run.

    Parameters
    ----------
    events : Source
        The guest's events.
    answers : sequence
        What its host answers.
    outcome : Outcome
        How the run ended.
    """

    def __init__(self, events: Source, answers: Sequence[_Answer], outcome: Outcome) -> None:
        self._events, self._answers, self.outcome = events, answers, outcome

    def run(self, trial: Trial, sink: Sink) -> None:
        """Build the guest as a trial does; hand the host's and the guest's events to `sink`, as `Trial.run` does.

        Raises
        ------
        HypervisorError
            If the host model refuses the strategy.
        """
        with _Replay(trial, sink, self._answers) as replay:
            self._events.run(replay.take)

    def run_each(self, trials: Sequence[Trial], sinks: Sequence[Sink]) -> list[HypervisorError | None]:
        """As `run` for several trials at once, each with its own sink; return why a host refused, of each.

        All sinks are called in a second thread.
        """
        refusals: list[HypervisorError | None] = [None] * len(trials)
        with ExitStack() as stack:
            replays = []
            for at, (trial, sink) in enumerate(zip(trials, sinks, strict=True)):
                try:
                    replays.append(stack.enter_context(_Replay(trial, sink, self._answers)))
                except HypervisorError as error:
                    refusals[at] = error

            def take(batch: Batch) -> None:
                for replay in replays:
                    replay.take(batch)

            with Relay(lambda: take) as relay:
                self._events.run(relay.put)
        return refusals


class RecordedGuest(GuestRecord):
    """A guest that is run, to be recorded; a context manager that deletes the record.

    Parameters
    ----------
    trial : Trial
        A trial of the guest on a host that does not refuse it.
    progress : callable
        Called now and then with the numbers of instructions and accesses.

    Raises
    ------
    HypervisorError
        If the host model refuses the strategy.
    GuestError
        If the guest does something after which the run cannot continue.
    """

    def __init__(
        self, trial: Trial, progress: "Callable[[int, int], None]" = lambda instructions, accesses: None
    ) -> None:
        run = _OneRun(trial, progress)
        self._spool = Spool(run)
        self._spool.run(lambda batch: None)
        super().__init__(self._spool, run.answers, run.outcome)

    def shared(self) -> GuestRecord | None:
        """The same for another process, to which it can be passed; None if that could not read it.

        This one has to be open as long as it is used.
        """
        file = self._spool.shared()
        return None if file is None else GuestRecord(file, self._answers, self.outcome)

    def __enter__(self) -> "RecordedGuest":
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.__exit__(None, None, None)


class _Replay:
    """The guest of a trial, which does what was recorded; a context manager."""

    def __init__(self, trial: Trial, sink: Sink, answers: Sequence[_Answer]) -> None:
        self._host = HostSide(trial, sink)
        self._answers = list(reversed(answers))
        self._passed = 0

    def __enter__(self) -> "_Replay":
        self._host.__enter__()
        return self

    def take(self, batch: Batch) -> None:
        """Take events of the guest."""
        start = 0
        while self._answers and self._answers[-1].after - self._passed < len(batch):
            end = self._answers[-1].after - self._passed
            if end > start:
                self._host.guest_did(Batch(batch.agents, batch.rows[start:end].copy()))
            self._answers.pop().tell(self._host)
            start = end
        self._host.guest_did(Batch(batch.agents, batch.rows[start:].copy()) if start else batch)
        self._passed += len(batch)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            while self._answers:
                self._answers.pop().tell(self._host)
            self._host.flush()
        self._host.__exit__()


class _OneRun:
    """The guest's own events of a trial, as a `Source`."""

    repeatable = False

    def __init__(self, trial: Trial, progress: "Callable[[int, int], None]") -> None:
        self._trial, self._progress = trial, progress
        self.answers: list[_Answer] = []
        self.outcome = Outcome()

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`."""
        with Relay(lambda: sink) as relay:
            host = _Noting(self._trial, relay.put)
            self.outcome = self._trial.run_on(host, instructions=instructions, progress=self._progress)
        self.answers = host.answers


class _Noting(HostSide):
    """A host whose own events are left out, and that notes what hosts answer."""

    def __init__(self, trial: Trial, sink: Sink) -> None:
        super().__init__(trial, lambda batch: None)
        self.answers: list[_Answer] = []
        self._take = sink
        self._events = 0
        self._used: Ranges = ()

    def guest_did(self, batch: Batch) -> None:
        """Take events of the guest."""
        self._events += len(batch)
        self._take(batch)
        self.follower.handed_over(batch)

    def vcpu_started(self, vcpu: int) -> None:
        """Note it, but for the vCPUs that each host starts by itself."""
        super().vcpu_started(vcpu)
        if vcpu >= self.first_vcpus:
            self._note(partial(HostSide.vcpu_started, vcpu=vcpu))

    def caches_toggled(self, vcpu: int, enabled: bool, used: Ranges) -> None:
        """Note it."""
        used = self._same(used)
        self._note(partial(HostSide.caches_toggled, vcpu=vcpu, enabled=enabled, used=used))

    def set_way(self, vcpu: int, used: Ranges) -> None:
        """Note it."""
        used = self._same(used)
        self._note(partial(HostSide.set_way, vcpu=vcpu, used=used))

    def _note(self, tell: Callable[[HostSide], None]) -> None:
        self.answers.append(_Answer(self._events, tell))

    def _same(self, used: Ranges) -> Ranges:
        """The same ranges as the last time, if they are equal: a sweep by set/way has thousands of answers."""
        if list(used) != list(self._used):
            self._used = used
        return self._used
