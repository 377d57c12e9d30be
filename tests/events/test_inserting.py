# SPDX-License-Identifier: GPL-2.0-or-later
"""A source into which events are put keeps the protocol of sources, and has the events where they belong."""

import contextlib

import pytest

from coldline.errors import TraceError
from coldline.events import Event, Op
from coldline.events.batch import Batch
from coldline.events.conformance import SourceRig, check_source
from coldline.events.inserting import Inserting, Insertion
from coldline.events.source import Batches, Source
from tests.events.test_sources_conform import EVENTS, PAGE, batches, with_instructions

CLEAN = Event("other", Op.DC_CVAC, PAGE, 64)
INVALIDATE = Event("dom0", Op.DC_IVAC, PAGE, 64)


def events_of(source: Source) -> list[Event]:
    found: list[Event] = []
    source.run(lambda batch: found.extend(batch.event(index) for index in range(len(batch))))
    return found


@pytest.mark.parametrize("before", range(len(EVENTS)))
@pytest.mark.parametrize("known", [False, True])
def test_it_keeps_the_protocol(before: int, known: bool) -> None:
    def make() -> Source:
        return Inserting(Batches(with_instructions() if known else batches()), [Insertion(CLEAN, before)])

    check_source(SourceRig(lambda: contextlib.nullcontext(make()), instructions=known))


@pytest.mark.parametrize("before", range(len(EVENTS)))
def test_an_event_comes_before_that_of_its_number(before: int) -> None:
    expected = [*EVENTS[:before], CLEAN, *EVENTS[before:]]
    assert events_of(Inserting(Batches(batches()), [Insertion(CLEAN, before)])) == expected


def test_several_events_come_in_the_order_of_their_places_and_then_as_they_were_given() -> None:
    put = [Insertion(CLEAN, 5), Insertion(INVALIDATE, 2), Insertion(CLEAN, 2), Insertion(INVALIDATE, 7)]
    expected = [*EVENTS[:2], INVALIDATE, CLEAN, *EVENTS[2:5], CLEAN, *EVENTS[5:7], INVALIDATE, *EVENTS[7:]]
    assert events_of(Inserting(Batches(batches()), put)) == expected


@pytest.mark.parametrize(("line", "index"), [(1, 0), (10, 0), (11, 1), (20, 1), (25, 2)])
def test_an_event_comes_before_that_of_its_line_or_a_later_one(line: int, index: int) -> None:
    source = Batches([Batch.of(EVENTS[:2], [10, 20]), Batch.of(EVENTS[2:4], [30, 40])])
    expected = [*EVENTS[:index], CLEAN, *EVENTS[index:4]]
    assert events_of(Inserting(source, [Insertion(CLEAN, line)], by_line=True)) == expected


@pytest.mark.parametrize(
    ("by_line", "said"), [(False, "no event at event 8 or later"), (True, "no event at line 8")]
)
def test_a_place_after_the_end_is_an_error(by_line: bool, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        events_of(Inserting(Batches(batches()), [Insertion(CLEAN, 8)], by_line=by_line))
