# SPDX-License-Identifier: GPL-2.0-or-later
"""The first pass over events: a checker follows memory through all of them, beside what makes them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from coldline.events.batch import Batch
from coldline.events.interruptible import Interruptible
from coldline.events.relay import Relay
from coldline.events.source import Sink, Source
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from coldline.checker.checker import Checker

__all__ = ["check", "check_each"]

_MANY = 100_000
"""The number of events to announce for a long source: enough to load machine code, and too few to compile it."""


def check(
    source: Source,
    profile: Profile,
    *,
    distinct: bool = False,
    most: int | None = None,
    at_length: bool = False,
    told: bool = True,
) -> "Checker":
    """Follow memory through all events of `source`: the first pass.

    Parameters
    ----------
    source : Source
        The events.
    profile : Profile
        The implementation's promises.
    distinct, most : bool, int or None
        See `Checker`.
    at_length : bool
        Whether many events will come. Then machine code is loaded at once.
    told : bool
        Whether a second pass may tell the hazards. Then it is noted of many events which memory they concern.

    Raises
    ------
    TraceError
        If an event is impossible.
    """
    reader = _reader(profile, distinct=distinct, most=most, at_length=at_length, notes=at_length and told)
    relay = Relay(reader.open)
    try:
        with relay:
            source.run(relay.put)
    except KeyboardInterrupt:
        # The source had ended, and the reader has now taken the rest.
        if not (isinstance(source, Interruptible) and relay.ended):
            raise
        source.interrupted = True
    return reader.close()


def check_each(run: Callable[[Sequence[Sink]], None], profiles: Sequence[Profile]) -> "list[Checker]":
    """As `check` for several streams of many events, which `run` hands over at once, each to its own sink.

    Only a line's first hazard of each kind is kept. `run` has to call all sinks in one thread, as checkers of one
    profile share what they work out of its rules.
    """
    readers = [
        _reader(profile, distinct=True, most=None, at_length=True, notes=False) for profile in profiles
    ]
    run([reader.open() for reader in readers])
    return [reader.close() for reader in readers]


def _reader(profile: Profile, *, distinct: bool, most: int | None, at_length: bool, notes: bool) -> "_Reader":
    if at_length:
        from coldline.checker.loops import prepare

        prepare()

    def make(checker: "type[Checker]") -> "Checker":
        made = checker(profile, distinct=distinct, most=most)
        if at_length:
            made.expect(_MANY)
        return made

    return _Reader(make, notes=notes)


class _Reader:
    """Makes the checker at the first batch, in the reader's thread, so that the source need not wait for it."""

    def __init__(self, make: "Callable[[type[Checker]], Checker]", *, notes: bool) -> None:
        self._make, self._notes = make, notes
        self._checker: Checker | None = None

    def open(self) -> Sink:
        from coldline.checker.checker import Checker

        self._checker = self._make(Checker)
        if not self._notes:
            return self._checker.feed
        from coldline.events.batch_footprints import Footprints

        feed, noted = self._checker.feed, Footprints()
        self._checker.footprints = noted

        def both(batch: Batch) -> None:
            batch.want_marks()
            feed(batch)
            noted.feed(batch)

        return both

    def close(self) -> "Checker":
        assert self._checker is not None
        return self._checker
