# SPDX-License-Identifier: GPL-2.0-or-later
"""The coverage of a check: how many accesses of each kind it judged, in the interpreter and in the compiled loops."""

import io

import pytest

from coldline.checker import Checker
from coldline.checker.coverage import Coverage
from coldline.events.batch import Batch
from coldline.trace.text import TextReader
from tests.helpers.checking import checker_of

MAPPINGS = """\
a map 0x1000 0x2000 normal-wb exec
n map 0x1000 0x2000 normal-nc exec
off mmu off
"""

# Each access by hand: what it counts as, or nothing.
ACCESSES: list[tuple[str, str]] = [
    ("a write 0x1000 8", ""),
    ("n write 0x2000 8", ""),
    ("a read 0x1000 8", "cacheable_reads"),
    ("a read 0x1030 32", "cacheable_reads"),  # over the end of a line: one access
    ("a read 0x1ff8 16", "cacheable_reads"),  # over the end of a page
    ("a walk 0x1000 8 normal-wb", "cacheable_reads"),
    ("a walk 0x1000 8 normal-nc", "other_reads"),
    ("n read 0x1000 8", "other_reads"),
    ("off read 0x1000 8", "other_reads"),
    ("a fetch 0x1000 4", "cacheable_fetches"),
    ("a fetch 0x1040 64", "cacheable_fetches"),
    ("n fetch 0x1000 4", "other_fetches"),
    ("a dc civac 0x1000 64", ""),
    ("a dc ivac 0x1040 64", ""),
    ("a ic ivau 0x1000 64", ""),
    ("a ic iallu", ""),
]
ONCE = Coverage(cacheable_reads=4, other_reads=3, cacheable_fetches=2, other_fetches=1)
TEXT = MAPPINGS + "".join(f"{line}\n" for line, _ in ACCESSES)


def test_the_numbers_are_those_of_the_list() -> None:
    kinds = [kind for _, kind in ACCESSES]
    assert Coverage(**{kind: kinds.count(kind) for kind in set(kinds) if kind}) == ONCE
    assert ONCE.judged == 10


def test_coverage_of_nothing() -> None:
    assert Checker().coverage == Coverage()
    assert checker_of(MAPPINGS).coverage.judged == 0


@pytest.mark.parametrize(("line", "kind"), ACCESSES, ids=[line for line, _ in ACCESSES])
def test_each_access_counts_as_one_kind(line: str, kind: str) -> None:
    assert checker_of(f"{MAPPINGS}{line}\n").coverage == (Coverage(**{kind: 1}) if kind else Coverage())


def test_an_access_that_goes_wrong_counts_like_any_other() -> None:
    text = "b map 0x1000 0x1000 normal-wb\nb write 0x1000 8\ng mmu off\ng read 0x1000 8\n"
    checker = checker_of(text)
    assert checker.hazards == 1
    assert checker.coverage == Coverage(other_reads=1)


@pytest.mark.parametrize("times", [1, 200])
def test_the_compiled_loops_count_as_the_interpreter_does(times: int) -> None:
    head = [event for _, event in TextReader(io.StringIO(MAPPINGS))]
    body = [event for _, event in TextReader(io.StringIO(TEXT))][len(head) :]
    compiled = Checker()
    compiled.expect(10**7)
    compiled.feed(Batch.of(head + body * times))
    assert compiled._fast_path is not None
    slow = Checker()
    for event in head + body * times:
        slow.event(event)
    assert compiled.coverage == slow.coverage
    assert compiled.coverage == Coverage(
        cacheable_reads=4 * times, other_reads=3 * times, cacheable_fetches=2 * times, other_fetches=times
    )
