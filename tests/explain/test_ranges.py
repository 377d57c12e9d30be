# SPDX-License-Identifier: GPL-2.0-or-later
"""Hazards of adjacent lines that one event reads: one range with one story, if the same events touched them."""

import io
from collections.abc import Iterable

import pytest

from coldline.events.batch import Batch
from coldline.events.source import Batches
from coldline.explain.history import History
from coldline.explain.least_cost import LeastCosts
from coldline.first_pass import check
from coldline.report.model import Report
from coldline.report.reporters import make_reporter
from coldline.report.reporters.base import Settings
from coldline.report.reporters.json import report_document
from coldline.trace.text import TextReader
from coldline.verdict import Judgement, judge
from tests.explain.test_witness import items, told, witnesses

PAGE_WRITTEN = """\
builder map 0x40000000 0x2000 normal-wb
builder write 0x40000000 0x1000
{}guest map 0x40000000 0x2000 normal-nc
guest read 0x40000000 0x1000
"""


def ranges(found: Judgement) -> list[tuple[int, int, int]]:
    return [(hazard.entry.address, hazard.entry.size, hazard.entry.lines) for hazard in found.hazards]


def test_adjacent_lines_with_one_story_are_one_hazard() -> None:
    found = told(PAGE_WRITTEN.format(""))
    assert ranges(found) == [(0x40000000, 0x1000, 64)]
    assert found.kinds == {"stale-read": 64}
    assert items(found.hazards[0]) == [1, 2, 3, 4]


@pytest.mark.parametrize("stories", [1, 3, 100])
def test_a_line_with_another_event_is_a_hazard_of_its_own(stories: int) -> None:
    found = told(PAGE_WRITTEN.format("builder read 0x40000400 64\n"), most=stories)
    expected = [(0x40000000, 0x400, 16), (0x40000400, 64, 1), (0x40000440, 0xBC0, 47)]
    assert ranges(found) == expected[:stories]
    assert found.found == 64
    assert found.hazards[0].story
    if stories == 100:
        assert [items(hazard) for hazard in found.hazards] == [[1, 2, 4, 5], [1, 2, 3, 4, 5], [1, 2, 4, 5]]


def test_a_page_that_a_prefetch_reached_is_a_hazard_of_its_own() -> None:
    text = """\
builder map 0x40000000 0x4000 normal-wb
builder write 0x40000000 0x4000
cpu mmu off
cpu icache on
cpu fetch 0x40001000 4
guest map 0x40000000 0x4000 normal-nc
guest read 0x40000000 0x4000
"""
    borders = [hazard.entry.address for hazard in told(text).hazards if hazard.entry.number == 6]
    assert borders == [0x40000000, 0x40001000, 0x40001040, 0x40002000, 0x40003000]


def test_events_after_a_read_do_not_divide_its_range() -> None:
    found = told(PAGE_WRITTEN.format("") + "builder dc civac 0x40000400 64\n")
    assert ranges(found) == [(0x40000000, 0x1000, 64)]


def test_no_more_lines_are_followed_than_stories_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[list[int]] = []

    class Followed(History):
        def __init__(self, ways: LeastCosts, addresses: Iterable[int], wanted: Iterable[int]) -> None:
            followed.append(sorted(set(addresses)))
            super().__init__(ways, addresses, wanted)

    monkeypatch.setattr("coldline.explain.second_pass.History", Followed)
    told(PAGE_WRITTEN.format(""), most=3)
    assert followed == [[0x40000000, 0x40000040, 0x40000080]]


def test_the_witness_of_a_range_is_of_its_first_line() -> None:
    found = told(PAGE_WRITTEN.format(""))
    (text,) = witnesses(found)
    assert text.startswith("# hazards 1 to 64 of 64 in ")
    assert "#! stale-read guest 0x40000000 64\n" in text


def test_a_range_is_named_with_its_lines() -> None:
    shown = io.StringIO()
    report = Report(subject="a.trace", judgement=told(PAGE_WRITTEN.format("")))
    make_reporter("text", shown, Settings()).report(report)
    assert (
        "1. stale-read: guest may get old bytes at 0x40000000, 4,096 bytes in 64 lines\n" in shown.getvalue()
    )
    assert "more" not in shown.getvalue()
    (hazard,) = report_document(report)["hazards"]
    assert (hazard["address"], hazard["size"], hazard["lines"]) == (0x40000000, 0x1000, 64)
    assert "hazards_found" not in report_document(report)


def test_the_number_of_hazards_to_list_counts_a_range_once() -> None:
    text = PAGE_WRITTEN.format("") + "guest read 0x40000000 0x800\n" * 3
    reader = TextReader(io.StringIO(text))
    events = list(reader)
    source = Batches([Batch.of((event for _, event in events), (where for where, _ in events))])
    checker = check(source, reader.profile, most=2)
    found = judge(checker, source, most=2, stories=2)
    assert [(hazard.entry.where, hazard.entry.lines) for hazard in found.hazards] == [(4, 64), (5, 32)]
    assert found.found == 64 + 3 * 32
