# SPDX-License-Identifier: GPL-2.0-or-later
"""What the further words of version 2 do: verdicts by hand, from docs/reference/order.md."""

import io

import pytest

from coldline.errors import TraceError
from coldline.rules.profile import Profile
from coldline.trace.text import TextReader, head_lines
from tests.checker.test_order import by_compiled_code
from tests.helpers.checking import check_text

READ, FETCH, LOST = "stale-read", "stale-fetch", "lost-write"
P = "0x1000 0x1000"
X, Y = "0x1000 8", "0x1008 8"
A = f"a map {P} normal-wb"
N = f"n map {P} normal-nc"
PAST = f"{A}; a read {X}; {N}; n write {X}"
"""A clean copy, and a write past it."""


def trace(*parts: str, order: bool = False) -> str:
    """A version 2 trace of parts in which lines end with semicolons."""
    head = ("version 2", "option order") if order else ("version 2",)
    lines = (line.strip() for part in (*head, *parts) for line in part.split(";"))
    return "".join(f"{line}\n" for line in lines if line)


def kinds(text: str) -> set[str]:
    """The kinds of hazard, which are the same by single events and by compiled code."""
    found = check_text(text)
    assert by_compiled_code(text) == sorted(found)
    return {each.kind for each in found}


Case = tuple[str, str, set[str], set[str]]

MAY_HIT: list[Case] = [
    ("a read by another", f"option nc-may-hit a; {PAST}; n dsb; n read {X}", set(), set()),
    ("a read by the agent", f"option nc-may-hit n; {PAST}; n dsb; n read {X}", {READ}, {READ}),
    (
        "one of two lines",
        f"option nc-may-hit a; option nc-may-hit n; {PAST}; n dsb; n read {X}",
        {READ},
        {READ},
    ),
    ("all agents", f"option nc-may-hit; {PAST}; n dsb; n read {X}", {READ}, {READ}),
    ("a read with the MMU off", f"option nc-may-hit g; {PAST}; n dsb; g mmu off; g read {X}", {READ}, {READ}),
    ("a walk", f"option nc-may-hit n; {PAST}; n dsb; n walk {X} normal-nc", {READ}, {READ}),
    ("a walk by another", f"option nc-may-hit a; {PAST}; n dsb; n walk {X} normal-nc", set(), set()),
    ("a fetch", f"option nc-may-hit m; {PAST}; n dsb; m map {P} normal-nc exec; m fetch {X}", set(), set()),
    ("its own store in flight", f"option nc-may-hit n; {N}; n write {X}; n read {X}", set(), set()),
]

CLEANS: list[Case] = [
    ("dc ivac", f"option ivac-cleans a; {A}; a write {X}; a dc ivac {X}; a dsb; a read {X}", set(), set()),
    (
        "by another",
        f"option ivac-cleans b; {A}; a write {X}; a dc ivac {X}; a dsb; a read {X}",
        {LOST},
        {LOST},
    ),
    ("dc isw", f"option ivac-cleans a; {A}; a write {X}; a dc isw {X}; a dsb; a read {X}", set(), set()),
    ("dc isw by another", f"{A}; a write {X}; a dc isw {X}; a dsb; a read {X}", {LOST}, {LOST}),
    (
        "a clean line that is written back",
        f"option ivac-cleans a; {A}; a write {X}; {N}; n write {X}; n dsb; a dc ivac {X}; a dsb; n read {X}",
        {LOST},
        {LOST},
    ),
]

CODE = f"m map {P} normal-nc exec"
NEW = f"m write {X}; m dsb; m isb"
OFF = f"g mmu off; g fetch {X}"
HELD: list[Case] = [
    (
        "what was fetched before",
        f"option nc-fetch-held; {CODE}; m fetch {X}; {NEW}; m fetch {X}",
        {FETCH},
        {FETCH},
    ),
    ("what could be fetched", f"option nc-fetch-held; {CODE}; {NEW}; m fetch {X}", {FETCH}, {FETCH}),
    ("without the option", f"{CODE}; m fetch {X}; {NEW}; m fetch {X}", set(), set()),
    (
        "an invalidated copy",
        f"option nc-fetch-held; {CODE}; {NEW}; m ic ivau {X}; m dsb; m isb; m fetch {X}",
        set(),
        set(),
    ),
    (
        "another core's copy",
        f"option nc-fetch-held; core c0 m; core c1 k; k map {P} normal-nc exec; k fetch {X}; {CODE}; {NEW}; "
        f"m ic iallu; m dsb; k isb; m isb; m fetch {X}; k fetch {X}",
        {FETCH},
        {FETCH},
    ),
    ("DIC", f"option nc-fetch-held; option dic; {CODE}; m fetch {X}; {NEW}; m fetch {X}", set(), set()),
    ("what is mapped", f"option nc-fetch-held; {N}; {CODE}; m unmap {P}; n write {X}; n dsb", set(), set()),
    (
        "with the MMU off",
        f"option nc-fetch-held; {OFF}; {N}; n write {X}; n dsb; g isb; g fetch {X}",
        {FETCH},
        {FETCH},
    ),
    (
        "outside of the window",
        f"option nc-fetch-held; g mmu off; g fetch 0x3000 4; {N}; n write {X}; n dsb; g isb; g fetch {X}",
        set(),
        set(),
    ),
    (
        "a cacheable fetch of what was held",
        f"option nc-fetch-held; {CODE}; {NEW}; m unmap {P}; m map {P} normal-wb exec; m fetch {X}",
        {FETCH},
        {FETCH},
    ),
    (
        "a prefetched copy of the instruction cache",
        f"option nc-fetch-held; core c m k; {CODE}; m fetch {X}; m write {X}; m dsb; m isb; k isb; "
        f"m ic ivau {X}; m dsb; m fetch {X}",
        {FETCH},
        set(),
    ),
]

CASES = {"nc-may-hit": MAY_HIT, "ivac-cleans": CLEANS, "nc-fetch-held": HELD}
LISTED = [pytest.param(*each[1:], id=f"{word}, {each[0]}") for word, cases in CASES.items() for each in cases]


@pytest.mark.parametrize(("text", "ordered", "at_once"), LISTED)
def test_the_verdict(text: str, ordered: set[str], at_once: set[str]) -> None:
    assert kinds(trace(text, order=True)) == ordered
    lines = (line for line in trace(text).splitlines() if line.split()[-1] not in ("dsb", "dmb", "isb"))
    assert kinds("\n".join(lines) + "\n") == at_once


# -- the head --------------------------------------------------------------------------------------------------

HEADS = (
    "option nc-may-hit a b; option nc-may-hit b c",
    "option ivac-cleans a; option ivac-cleans b a",
    "option nc-fetch-held",
)


@pytest.mark.parametrize("head", HEADS)
def test_what_a_head_says_is_written_again(head: str) -> None:
    profile = profile_of(trace(head))
    assert profile != profile_of(trace())
    assert profile_of(head_lines(profile)) == profile


def profile_of(text: str) -> Profile:
    reader = TextReader(io.StringIO(text))
    list(reader)
    return reader.profile


WRONG = {
    "option": "'option' lacks its name; choose from: ",
    "option fast": "unknown option 'fast'; choose from: ",
    "option idc on": "unknown word 'on' after 'option idc'",
    "option order now": "unknown word 'now' after 'option order'",
    "option ivac-cleans": "'option ivac-cleans' takes the agents that it is of",
}


@pytest.mark.parametrize("head", WRONG)
def test_a_wrong_head_is_an_error(head: str) -> None:
    with pytest.raises(TraceError) as error:
        check_text(trace(head, A))
    assert error.value.where == "2"
    assert error.value.reason.startswith(WRONG[head])


@pytest.mark.parametrize("head", ["option ivac-cleans a", "option nc-may-hit a"])
def test_version_1_has_none_of_them(head: str) -> None:
    with pytest.raises(TraceError, match="which needs 'version 2' as the first line"):
        check_text(f"{head}\n{A}\n")
