# SPDX-License-Identifier: GPL-2.0-or-later
"""What the further words of version 2 do: verdicts by hand, from docs/reference/order.md."""

import io
import json
from pathlib import Path

import pytest

from coldline.errors import TraceError
from coldline.rules.order.ordering import Ordering
from coldline.rules.order.start import starting_microstates
from coldline.rules.profile import Profile
from coldline.trace.text import TextReader
from coldline.trace.text_head import head_lines
from tests.checker.test_order import by_compiled_code
from tests.helpers.checking import Found, check_text, checker_of
from tests.helpers.command import Cli

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


BARRIERS = ("dsb", "dmb", "isb")
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

BOOT = f"g mmu off; g read {X}"
STORE = f"g mmu off; g write {X}; g dsb; g map {P} normal-wb; g mmu on; g read {X}"
EXEC = f"{A} exec; a fetch {X}"
START: list[Case] = [
    ("cold: what is in memory", f"option start cold; {BOOT}", set(), set()),
    ("cold: no copy hides a store", f"option start cold; {STORE}", set(), set()),
    ("clean: what is in memory", f"option start clean; {BOOT}; {EXEC}", set(), set()),
    ("clean: a copy hides a store", f"option start clean; {STORE}", {READ}, {READ}),
    (
        "clean: nothing is written back",
        f"option start clean; {N}; n write {X}; n dsb; n read {X}",
        set(),
        set(),
    ),
    ("clean: an instruction", f"option start clean; {N}; n write {X}; n dsb; {EXEC}", {FETCH}, {FETCH}),
    ("dirty: memory is old", f"option start dirty; {BOOT}", {READ}, {READ}),
    ("dirty: a cacheable read", f"option start dirty; {A}; a read {X}", set(), set()),
    ("dirty: an instruction", f"option start dirty; {EXEC}", {FETCH}, {FETCH}),
    (
        "dirty: a line over a store",
        f"option start dirty; {N}; n write {X}; n dsb; n read {X}",
        {LOST},
        {LOST},
    ),
    ("dirty: cleaned", f"option start dirty; {A}; a dc civac {X}; a dsb; {N}; n read {X}", set(), set()),
    ("dirty: no dsb", f"option start dirty; {A}; a dc civac {X}; {N}; n read {X}", {READ}, set()),
    ("any: a read", f"option start any; {A}; a read {X}", {READ, LOST}, {READ, LOST}),
    ("any: a fetch", f"option start any; {EXEC}", {FETCH, LOST}, {FETCH, LOST}),
    ("any: a write makes one copy right", f"option start any; {A}; a write {X}; a read {X}", set(), set()),
    ("any: dic", f"option start any; option dic; option idc; {EXEC}", {FETCH, LOST}, {FETCH, LOST}),
    ("the last one counts", f"option start any; option start cold; {BOOT}", set(), set()),
    (
        "two cores",
        f"option start dirty; core c a; core d b; b map {P} normal-wb exec; b fetch {X}",
        {FETCH},
        {FETCH},
    ),
]

WIDE = "line 256"
FAR = "0x1040 8"
_CODE = f"{A} exec; a fetch {FAR}; a write {FAR}; a dc cvau 0x1000 256; a dsb"
GRANULES: list[Case] = [
    (
        "what a clean is sure of",
        f"{WIDE}; {A}; a write {X}; a dc cvac {X}; a dsb; {N}; n read {X}",
        set(),
        set(),
    ),
    (
        "the same granule",
        f"{WIDE}; {A}; a write {X}; a dc civac 0x1038 8; a dsb; {N}; n read {X}",
        set(),
        set(),
    ),
    (
        "another granule",
        f"{WIDE}; {A}; a write {FAR}; a dc civac {X}; a dsb; {N}; n read {FAR}",
        {READ},
        {READ},
    ),
    (
        "a granule of a line",
        f"{WIDE}; option dmin 256; {A}; a write {FAR}; a dc civac {X}; a dsb; {N}; n read {FAR}",
        set(),
        set(),
    ),
    (
        "a smaller granule",
        f"option dmin 16; {A}; a write 0x1010 8; a dc cvac {X}; a dsb; {N}; n read 0x1010 8",
        {READ},
        {READ},
    ),
    ("what is discarded", f"{WIDE}; {A}; a write {FAR}; a dc ivac {X}; a dsb; a read {FAR}", {LOST}, {LOST}),
    (
        "what is perhaps invalidated",
        f"{WIDE}; {A}; a read {X}; {N}; n write {FAR}; n dsb; a dc ivac {X}; a dsb; a read {FAR}",
        {READ},
        {READ},
    ),
    (
        "what is invalidated",
        f"{WIDE}; {A}; a read {X}; {N}; n write {FAR}; n dsb; a dc ivac {FAR}; a dsb; a read {FAR}",
        set(),
        set(),
    ),
    (
        "with setway-effective it is perhaps, too",
        f"option setway-effective; {WIDE}; {A}; a read {X}; {N}; n write {FAR}; n dsb; a dc ivac {X}; a dsb; "
        f"a read {FAR}",
        {READ},
        {READ},
    ),
    (
        "set/way is of lines",
        f"option setway-effective; {WIDE}; {A}; a write {FAR}; a dc csw {X}; a dsb; {N}; n read {FAR}",
        set(),
        set(),
    ),
    (
        "ivac-cleans",
        f"option ivac-cleans a; {WIDE}; {A}; a write {FAR}; a dc ivac {X}; a dsb; a read {FAR}",
        set(),
        set(),
    ),
    (
        "what an ic ivau is sure of",
        f"{WIDE}; {_CODE}; a ic ivau {FAR}; a dsb; a isb; a fetch {FAR}",
        set(),
        set(),
    ),
    (
        "another granule of instructions",
        f"{WIDE}; {_CODE}; a ic ivau {X}; a dsb; a isb; a fetch {FAR}",
        {FETCH},
        {FETCH},
    ),
    (
        "imin of a line",
        f"{WIDE}; option imin 256; {_CODE}; a ic ivau {X}; a dsb; a isb; a fetch {FAR}",
        set(),
        set(),
    ),
    (
        "program order",
        f"{WIDE}; {A}; a write {X}; a dc civac {X}; a read 0x1038 8; {N}; n read {X}",
        set(),
        set(),
    ),
    (
        "no program order",
        f"{WIDE}; {A}; a write {X}; a dc civac {X}; a read {FAR}; {N}; n read {X}",
        {READ},
        set(),
    ),
    (
        "nor for a write",
        f"{WIDE}; {A}; a write {X}; a dc civac {X}; a write {FAR}; {N}; n read {X}",
        {READ},
        set(),
    ),
    (
        "over its border",
        f"{WIDE}; {A}; a write {X}; a dc civac {X}; a read 0x103c 8; {N}; n read {X}",
        set(),
        set(),
    ),
    (
        "a dmb is of lines",
        f"{WIDE}; {A}; a write {X}; a dc civac {X}; a dmb; a read {FAR}; {N}; n read {X}",
        set(),
        set(),
    ),
    ("one line of 64", f"{A}; a write {X}; a dc civac {X}; a read 0x1038 8; {N}; n read {X}", set(), set()),
]

ZVA: list[Case] = [
    ("a block of 64", f"{A}; a read {X}; a dc zva {FAR}; {N}; n read {X}", set(), set()),
    ("of 256", f"option zva 256; {A}; a read {X}; a dc zva {FAR}; {N}; n read {X}", {READ}, {READ}),
    ("of 16", f"option zva 16; {A}; a dc zva 0x1010 8; {N}; n read {X}", set(), set()),
    ("the same bytes", f"option zva 16; {A}; a dc zva 0x1010 8; {N}; n read 0x1018 8", {READ}, {READ}),
    (
        "of half a page",
        f"option zva 2048; {A}; a dc zva 0x17f8 16; {N}; n read 0x1ff8 8; n read {X}",
        {READ},
        {READ},
    ),
]

POU = f"t walk {X} pou"
WALKS: list[Case] = [
    ("level 1 alone has it", f"{A}; a write {X}; {POU}", {READ}, {READ}),
    ("a walk through level 1", f"{A}; a write {X}; t walk {X} normal-wb", set(), set()),
    ("cleaned to the PoU", f"{A}; a write {X}; a dc cvau {X}; a dsb; {POU}", set(), set()),
    ("level 2 hides memory", f"{POU}; {N}; n write {X}; n dsb; {POU}", {READ}, {READ}),
    ("another one of the line", f"t walk {Y} pou; {N}; n write {X}; n dsb; {POU}", {READ}, {READ}),
    (
        "level 1 is not filled",
        f"{POU}; {N}; n write {X}; n dsb; g mmu off; g dc cvau {X}; g dsb; n read {X}",
        set(),
        set(),
    ),
    ("not with SCTLR.C clear", f"t dcache off; {POU}; {N}; n write {X}; n dsb; {POU}", set(), set()),
    ("a store in flight", f"w map {P} normal-wt; w write {X}; {POU}", set(), set()),
    ("a store past the caches", f"{N}; n write {X}; {POU}", {READ}, set()),
    ("no barrier is waited for", f"{A}; a write {X}; a dc cvau {X}; a walk {X} pou", {READ}, set()),
    ("nothing is left", f"{A}; a write {X}; a dc ivac {X}; a dsb; a unmap {P}; {POU}", {LOST}, {LOST}),
]

BOTH = f"{A} exec; b map {P} normal-wb exec; a fetch {X}; b fetch {X}; a write {X}; a dc cvau {X}; a dsb"
AFTER = "a dsb; a isb; b isb"
VIPT: list[Case] = [
    (
        "what another agent fetched",
        f"option vipt; core c a b; {BOTH}; a ic ivau {X}; {AFTER}; a fetch {X}",
        {FETCH},
        {FETCH},
    ),
    (
        "without the option",
        f"core c a b; {BOTH}; a ic ivau {X}; {AFTER}; a fetch {X}; b fetch {X}",
        set(),
        set(),
    ),
    (
        "through each alias",
        f"option vipt; core c a b; {BOTH}; a ic ivau {X}; b ic ivau {X}; {AFTER}; a fetch {X}; b fetch {X}",
        set(),
        set(),
    ),
    (
        "all of a core's",
        f"option vipt; core c a b; {BOTH}; a ic iallu; {AFTER}; a fetch {X}; b fetch {X}",
        set(),
        set(),
    ),
    (
        "on another core",
        f"option vipt; core c a; core d b; {BOTH}; a ic ivau {X}; {AFTER}; b fetch {X}",
        {FETCH},
        {FETCH},
    ),
    (
        "its own on each core",
        f"option vipt; core c a; core d b; {BOTH}; a ic ivau {X}; {AFTER}; a fetch {X}",
        set(),
        set(),
    ),
    (
        "all of them",
        f"option vipt; core c a; core d b; {BOTH}; a ic ialluis; {AFTER}; a fetch {X}; b fetch {X}",
        set(),
        set(),
    ),
    (
        "who may fetch",
        f"option vipt; core c a b; {A} exec; b map {P} normal-wb exec; a write {X}; a dc cvau {X}; a dsb; "
        f"a ic ivau {X}; {AFTER}; a fetch {X}",
        {FETCH},
        {FETCH},
    ),
    (
        "agents that are on no core",
        f"option vipt; {BOTH}; a ic ivau {X}; {AFTER}; a fetch {X}",
        {FETCH},
        {FETCH},
    ),
    (
        "one agent on no core",
        f"option vipt; {A} exec; a fetch {X}; a write {X}; a dc cvau {X}; a dsb; a ic ivau {X}; "
        f"a dsb; a isb; a fetch {X}",
        set(),
        set(),
    ),
    (
        "not without a dsb",
        f"option vipt; core c a; {A} exec; a fetch {X}; a write {X}; a dc cvau {X}; a dsb; "
        f"a ic ivau {X}; a isb; a fetch {X}",
        {FETCH},
        set(),
    ),
    (
        "dic",
        f"option vipt; option dic; core c a b; {BOTH}; a ic ivau {X}; {AFTER}; a fetch {X}",
        set(),
        set(),
    ),
    (
        "held by non-cacheable fetches",
        f"option vipt; option nc-fetch-held; core c m k; {CODE}; k map {P} normal-nc exec; k fetch {X}; "
        f"m write {X}; m dsb; m ic ivau {X}; m dsb; m isb; m fetch {X}",
        {FETCH},
        {FETCH},
    ),
    (
        "at the start",
        f"option vipt; option start clean; core c a b; {A}; a write {X}; a dc cvau {X}; a dsb; "
        f"b map {P} normal-wb exec; b ic ivau {X}; b dsb; b isb; b fetch {X}",
        {FETCH},
        {FETCH},
    ),
]

POWER: list[Case] = [
    ("a dirty line", f"{A}; a write {X}; power-off {X}; a read {X}", {LOST}, {LOST}),
    ("another byte of it", f"{A}; a write {Y}; power-off {X}; a read {Y}", {LOST}, {LOST}),
    ("another line", f"{A}; a write {FAR}; power-off {X}; a read {FAR}", set(), set()),
    (
        "a cleaned line",
        f"{A}; a write {X}; a dc cvac {X}; a dsb; power-off 0x1000 0x1000; a read {X}",
        set(),
        set(),
    ),
    ("a clean line that stays", f"{PAST}; n dsb; power-off {X}; a read {X}", {READ}, {READ}),
    (
        "an old dirty line",
        f"{A}; a write {X}; a dc civac {X}; a unmap {P}; a dsb; {N}; n write {X}; power-off {X}; "
        f"n dsb; n read {X}",
        set(),
        set(),
    ),
    (
        "an old line that is dirty",
        f"option start dirty; power-off {X}; {N}; n write {X}; n dsb; n read {X}",
        set(),
        set(),
    ),
    ("what is pending", f"{A}; a write {X}; a dc cvac {X}; power-off {X}; a dsb; a read {X}", {LOST}, set()),
    ("a store in flight", f"{N}; n write {X}; power-off {X}; n dsb; n read {X}", set(), set()),
    (
        "an instruction cache",
        f"{A} exec; a fetch {X}; a unmap {P}; {N}; n write {X}; n dsb; power-off {X}; "
        f"a map {P} normal-wb exec; a fetch {X}",
        {FETCH},
        {FETCH},
    ),
    ("a whole line of 256", f"{WIDE}; {A}; a write {FAR}; power-off {X}; a read {FAR}", {LOST}, {LOST}),
]

_LOW = f"w map {P} normal-wb; w write {X}; w dc cvau {X}; w dsb; a map {P} normal-wb exec; a mmu off; a fetch 0xf00 4"
"""Code that is new at the point of unification alone, and a fetch past the caches from the page before."""

WINDOW: list[Case] = [
    ("until the MMU is on", f"core c a; {_LOW}; a mmu on; a isb; a fetch {X}", set(), set()),
    ("on another agent's barrier", f"core c a b; {_LOW}; a mmu on; b isb; a fetch {X}", set(), set()),
    ("until the barrier", f"core c a; {_LOW}; a mmu on; a fetch {X}", {FETCH}, set()),
]

CASES = {"nc-may-hit": MAY_HIT, "ivac-cleans": CLEANS, "nc-fetch-held": HELD, "start": START}
CASES |= {
    "granules": GRANULES,
    "zva": ZVA,
    "pou": WALKS,
    "vipt": VIPT,
    "power-off": POWER,
    "prefetch": WINDOW,
}
LISTED = [pytest.param(*each[1:], id=f"{word}, {each[0]}") for word, cases in CASES.items() for each in cases]


@pytest.mark.parametrize(("text", "ordered", "at_once"), LISTED)
def test_the_verdict(text: str, ordered: set[str], at_once: set[str]) -> None:
    assert kinds(trace(text, order=True)) == ordered
    lines = (line for line in trace(text).splitlines() if line.split()[-1] not in BARRIERS)
    assert kinds("\n".join(lines) + "\n") == at_once


@pytest.mark.parametrize(("barrier", "found"), [("dsb", set()), ("dsb nsh", set()), ("dmb", {FETCH})])
def test_a_barrier_after_an_invalidation_by_alias(barrier: str, found: set[str]) -> None:
    text = f"option vipt; core c a; {A} exec; a fetch {X}; a write {X}; a dc cvau {X}; a dsb; a ic ivau {X}"
    assert kinds(trace(f"{text}; a {barrier}; a isb; a fetch {X}", order=True)) == found


def test_a_start_of_any_kind_is_one_range_of_memory() -> None:
    memory = checker_of(trace(f"option start any; {A}; a read {X}")).state.memory
    assert len(list(memory.ranges(0, 1 << 40))) <= 3
    assert memory.rows <= 64


def test_the_number_of_states_that_a_line_may_start_in() -> None:
    """Of the 150 microstates, those with a fresh copy: all but those whose copies are stale.

    Each level is invalid, or clean or dirty and stale: 3 x 3 of them, each with an instruction cache that is invalid
    or stale: 18.
    """
    found = {
        start: len(starting_microstates(Profile(ordering=Ordering(start=start))))
        for start in ("cold", "clean", "dirty", "any")
    }
    assert found["cold"] == 1
    assert found["clean"] == 8  # two levels and an instruction cache, each of them invalid or clean and fresh
    assert 8 < found["dirty"] < found["any"] == 150 - 18


# -- the report ------------------------------------------------------------------------------------------------


def test_a_report_says_what_lines_may_hold_at_the_start(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    path.write_text(trace(f"option start dirty; {BOOT}"))
    said = cli("check", path)
    assert "caches at the start: dirty" in said.out
    assert "what the caches hold at the start" in said.out
    assert json.loads(cli("check", "--json", path).out)["coverage"]["start"] == "dirty"
    path.write_text(trace(BOOT))
    assert "at the start" not in cli("check", path).out
    assert "start" not in json.loads(cli("check", "--json", path).out)["coverage"]


def test_what_an_option_has_followed_is_covered(cli: Cli, tmp_path: Path) -> None:
    path, phrase = tmp_path / "a.trace", "non-cacheable fetches that an instruction cache holds"
    for head, covered in (("", False), ("option nc-fetch-held; option dic; ", True)):
        path.write_text(trace(f"{head}{CODE}; m fetch {X}"))
        assert (phrase in json.loads(cli("check", "--json", path).out)["not_covered"]) is not covered


# -- the head --------------------------------------------------------------------------------------------------

HEADS = (
    "option nc-may-hit a b; option nc-may-hit b c",
    "option ivac-cleans a; option ivac-cleans b a",
    "option nc-fetch-held",
    "option vipt",
    "option start dirty",
    "line 2048; option dmin 128; option imin 2048",
    "option zva 2048; option dmin 0x20; option imin 16",
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
    "option dmin": "'option dmin' takes a power of two from 16 to 2048",
    "option imin 48": "'option imin' takes a power of two from 16 to 2048",
    "option zva 4096": "'option zva' takes a power of two from 16 to 2048",
    "option zva 8 8": "'option zva' takes a power of two from 16 to 2048",
    "option dmin big": "'big' is not a number",
    "option start": "'option start' takes one word of: cold, clean, dirty, any",
    "option start warm": "'option start' takes one word of: cold, clean, dirty, any",
}


@pytest.mark.parametrize("head", WRONG)
def test_a_wrong_head_is_an_error(head: str) -> None:
    with pytest.raises(TraceError) as error:
        check_text(trace(head, A))
    assert error.value.where == "2"
    assert error.value.reason.startswith(WRONG[head])


@pytest.mark.parametrize("head", ["line 32; option dmin 64", "option imin 128; line 64", "option dmin 128"])
def test_a_granule_larger_than_a_line_is_an_error(head: str) -> None:
    with pytest.raises(TraceError, match=r"'option [di]min \d+' is more than a line of \d+ bytes"):
        check_text(trace(head, A))
    with pytest.raises(TraceError, match="is more than a line of"):
        profile_of(trace(head))


def test_agents_on_no_core_have_no_copies_at_the_start_by_alias() -> None:
    with pytest.raises(
        TraceError, match=r"^4: a is on no core, so that 'option vipt' needs 'option start cold'$"
    ):
        check_text(trace("option vipt; option start any", A))


def test_version_1_has_granules_of_64_bytes() -> None:
    lines = [f"line {{line}}; {A}; a write {FAR}; a dc cvac {X}; a unmap {P}; {N}; n read {FAR}"]
    lines += [f"line {{line}}; {A}; a write {FAR}; a dc ivac {X}; a unmap {P}; {A}; a read {FAR}"]
    for size, hazards in ((64, (READ, "")), (128, (READ, LOST)), (2048, (READ, LOST))):
        for text, hazard in zip(lines, hazards, strict=True):
            assert kinds(text.format(line=size).replace("; ", "\n") + "\n") == {hazard} - {""}


@pytest.mark.parametrize("head", ["option ivac-cleans a", "option nc-may-hit a"])
def test_version_1_has_none_of_them(head: str) -> None:
    with pytest.raises(TraceError, match="which needs 'version 2' as the first line"):
        check_text(f"{head}\n{A}\n")


@pytest.mark.parametrize("op", ["read", "write", "fetch"])
@pytest.mark.parametrize("settled", [False, True])
def test_an_access_over_a_page_end_is_judged_page_by_page(op: str, settled: bool) -> None:
    """While two settings hold, and after: its parts are judged as two accesses are."""
    before = (
        "core c a h; h map 0x1000 0x2000 normal-wb; a mmu off; h write 0x1fc0 128; a write 0x1ff8 16; "
        "a map 0x1000 0x2000 normal-wb exec; a mmu on"
    )
    isb = "a isb" if settled else ""
    after = "a dsb; a isb; h read 0x1fc0 128; a read 0x1ff8 16"
    whole = check_text(trace(before, isb, f"a {op} 0x1ffc 8", after, order=True))
    parts = check_text(trace(before, isb, f"a {op} 0x1ffc 4; a {op} 0x2000 4", after, order=True))
    as_one = trace(before, isb, f"a {op} 0x1ffc 8", after, order=True)
    assert by_compiled_code(as_one) == sorted(whole)

    def without_lines(found: list[Found]) -> set[tuple[str, str, int]]:
        return {
            (each.kind, each.agent, byte)
            for each in found
            for byte in range(each.address, each.address + each.size)
        }

    assert whole
    assert without_lines(whole) == without_lines(parts)
