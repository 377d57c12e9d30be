# SPDX-License-Identifier: GPL-2.0-or-later
"""What was done to a guest's pages before their first use: short traces, with the answers by hand."""

import pytest

from coldline.events import Event, Op
from coldline.events.batch import Batch
from testbed.watched.kvm_pages import LoadedPages, PagesOfGuests

PAGE = 0x4000_1000
HOST, GUEST = "cpu0.el1", "cpu0.guest1"
WRITE = Event(HOST, Op.WRITE, PAGE, 0x1000)
CLEAN = Event(HOST, Op.DC_CIVAC, PAGE, 0x1000)
INVALIDATE = Event(HOST, Op.IC_IVAU, PAGE, 0x1000)
READ = Event(GUEST, Op.READ, PAGE + 8, 8)
FETCH = Event(GUEST, Op.FETCH, PAGE, 4)


@pytest.mark.parametrize(
    ("events", "seen"),
    [
        ([WRITE, CLEAN, INVALIDATE, FETCH], (1, 1, 1, 1)),
        ([WRITE, CLEAN, READ, INVALIDATE, FETCH], (1, 1, 1, 1)),
        ([WRITE, CLEAN, READ], (1, 1, 0, 0)),
        ([WRITE, READ, CLEAN], (1, 0, 0, 0)),
        ([CLEAN, INVALIDATE, WRITE, FETCH], (1, 0, 1, 0)),
        ([WRITE, Event(HOST, Op.DC_CIVAC, PAGE, 0xFC0), READ], (1, 0, 0, 0)),
        ([WRITE, CLEAN, Event("cpu0.el2", Op.IC_IALLU, 0, 0), FETCH], (1, 1, 1, 1)),
        ([WRITE, CLEAN, READ, WRITE, READ], (1, 1, 0, 0)),
        ([Event(HOST, Op.DC_ZVA, PAGE, 64), READ, Event(GUEST, Op.READ, PAGE + 0x1000, 8)], (1, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "a batch each"])
def test_pages(events: list[Event], seen: tuple[int, ...], together: bool) -> None:
    found = PagesOfGuests()
    for batch in [events] if together else [[event] for event in events]:
        found.take(Batch.of(batch))
    assert found.results() == [LoadedPages("guest1", *seen)]
