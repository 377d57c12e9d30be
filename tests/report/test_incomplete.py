# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report says was not complete: by hand, from docs/reference/order.md."""

import pytest

from coldline.report.incomplete import incomplete_words
from tests.explain.test_witness import told
from tests.oracles.test_order_explorer import _A, _CODE, _G, _M, _N_READS, ORDER, WB, X, trace

HEAD = len(trace(ORDER).splitlines())


def said(*parts: str) -> list[str]:
    """What is said of the last hazard, with lines counted from the first event."""
    words = incomplete_words(told(trace(ORDER, *parts), most=9).hazards[-1].story)
    assert all("line" not in each or int(each.rsplit(" ", 1)[1][:-1]) > HEAD for each in words)
    return [
        f"{start} line {int(number[:-1]) - HEAD})" if mark else each
        for each in words
        for start, mark, number in [each.partition(" line ")]
    ]


CASES = [
    ([_A, f"a dc cvac {X}", _N_READS], ["not complete: dc cvac by k (no DSB by k after line 3)"]),
    (
        [_A, f"a dc ivac {X}; a dsb; a write {X}; a dc cvac {X}", _N_READS],
        ["not complete: dc cvac by k (no DSB by k after line 6)"],
    ),
    (
        [_CODE, f"a fetch {X}; a write {X}; a dc cvau {X}; a ic ivau {X}; a isb; a fetch {X}"],
        ["not complete: dc cvau and ic by k (no DSB by k after line 5)"],
    ),
    (
        [_CODE, f"a fetch {X}; a write {X}; a dc cvau {X}; a dsb; a ic iallu; a isb; a fetch {X}"],
        ["not complete: ic by k (no DSB by k after line 7)"],
    ),
    ([_G, f"g write {X}", _N_READS], ["in flight: a store by k (no DSB by k after line 2)"]),
    (
        [f"{_M} exec; m write {X}; m dsb; m fetch {X}"],
        ["executed as prefetched by k (no ISB by k after line 1)"],
    ),
    ([_A, _N_READS], []),
    ([f"a map {WB}", f"b map {WB}; b write {X}", _N_READS], []),
]


@pytest.mark.parametrize(("parts", "expected"), CASES)
def test_what_was_not_complete(parts: list[str], expected: list[str]) -> None:
    assert said(*parts) == expected


def test_no_line_is_named_where_events_are_told_once_for_several_times() -> None:
    parts = [_A, f"a write {X}; a write {X}; a dc cvac {X}", _N_READS]
    assert said(*parts) == ["not complete: dc cvac by k (no DSB by k since)"]


def test_by_set_way() -> None:
    parts = [f"{ORDER}; option setway-effective", _A, f"a dc csw {X}", _N_READS]
    text = trace(*parts)
    (words,) = incomplete_words(told(text).hazards[-1].story)
    line = text.splitlines().index(f"a dc csw {X}") + 1
    assert words == f"not complete: dc cvac by k (no DSB by k after line {line})"
