# SPDX-License-Identifier: GPL-2.0-or-later
"""The checker, against hand-worked examples, against the explorer, and on large amounts of memory."""

import io
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from coldline.arm import MemoryType
from coldline.checker.checker import Checker
from coldline.checker.state.memory import NOT_DENSE
from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event, Op
from coldline.events.batch import Batch
from coldline.rules.profile import Profile
from coldline.trace.text import TextReader
from tests.helpers.checking import Found, check_text, checker_of, found_by
from tests.helpers.effort import ASKED, examples
from tests.helpers.trace_strategies import broken_traces, traces
from tests.helpers.worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES
from tests.oracles.explorer import Malformed, explore

EXAMPLES = WORKED_EXAMPLES + SMALL_EXAMPLES

# As many traces, and the same ones, in every run: a failure then speaks of the change at hand, and whoever
# sees it can see it again. A longer hunt (COLDLINE_EXAMPLES=100000) goes where no run has been before.
hunt = settings(
    max_examples=examples(2000),
    derandomize=ASKED is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize(("text", "kinds"), [e[1:] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_examples(text: str, kinds: frozenset[str]) -> None:
    assert {found.kind for found in check_text(text)} == kinds


@pytest.mark.parametrize("text", [e[1] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_examples_say_what_the_explorer_says(text: str) -> None:
    assert check_text(text) == [Found(*hazard) for hazard in explore(text)]


# -- against the explorer ------------------------------------------------------------------------------------


@hunt
@given(traces())
def test_any_trace_has_the_hazards_that_the_explorer_finds(text: str) -> None:
    assert check_text(text) == [Found(*hazard) for hazard in explore(text)]


@hunt
@given(broken_traces())
def test_a_broken_trace_is_an_error_at_its_line(broken: tuple[str, int]) -> None:
    text, number = broken
    with pytest.raises(TraceError) as caught:
        check_text(text)
    assert caught.value.where == str(number)
    assert caught.value.reason
    with pytest.raises(Malformed) as explored:
        explore(text)
    assert explored.value.line_number == number


@pytest.mark.parametrize("text", [e[1] for e in WORKED_EXAMPLES], ids=[e[0] for e in WORKED_EXAMPLES])
def test_a_batch_is_its_events(text: str) -> None:
    reader = TextReader(io.StringIO(text))
    numbered = list(reader)
    checker = Checker(reader.profile)
    checker.feed(Batch.of((event for _, event in numbered), (where for where, _ in numbered)))
    assert found_by(checker) == check_text(text)
    assert checker.events == len(numbered)


BUILT_FOR_TWO = """\
dom0 map 0x40000000 0x1000 normal-wb
dom0 write 0x40000000 64
first mmu off
first read 0x40000000 8
second mmu off
second read 0x40000000 8
"""


def test_a_hazard_of_a_line_is_found_again_for_the_guest_that_begins() -> None:
    events = [event for _, event in TextReader(io.StringIO(BUILT_FOR_TWO))]
    for begins, second in ((False, {}), (True, {"stale-read": 1})):
        checker = Checker(Profile(), distinct=True)
        checker.feed(Batch.of(events[:4]))
        batch = Batch.of(events[4:])
        batch.begins_guest = begins
        checker.feed(batch)
        assert checker.state.findings.kinds_of == {
            "first": {"stale-read": 1},
            **({"second": second} if second else {}),
        }
        assert checker.kinds == {"stale-read": 2 if second else 1}


# -- what a finding says -------------------------------------------------------------------------------------


def test_address_and_size_span_the_bad_bytes() -> None:
    text = """line 16
        w map 0x1000 0x1000 normal-wb
        n map 0x1000 0x1000 normal-nc
        n write 0x1003 2   # bad: 3, 4
        n write 0x1009 1   # and 9
        w read 0x1004 12
        w read 0x1000 4
        w read 0x1005 4"""
    assert check_text(text) == [
        Found(6, "stale-read", "w", 0x1004, 6),
        Found(7, "stale-read", "w", 0x1003, 1),
    ]


def test_a_bad_read_changes_nothing() -> None:
    text = """line 16
        w map 0x1000 0x1000 normal-wb
        w write 0x1000 16
        n map 0x1000 0x1000 normal-nc
        n read 0x1000 16
        n read 0x1000 16
        w read 0x1000 16"""
    assert [found.line for found in check_text(text)] == [5, 6]


def test_an_event_without_a_line_is_named_by_its_number() -> None:
    checker = Checker()
    checker.event(Event("a", Op.MAP, 0x1000, PAGE_SIZE, MemoryType.NORMAL_WB))
    with pytest.raises(TraceError, match="a has no mapping there") as caught:
        checker.event(Event("a", Op.READ, 0x2000, 8))
    assert caught.value.where == "event 1"


@pytest.mark.parametrize(
    ("mapped", "broken"),
    [
        ("0x2000", "a map 0x1000 0x2000 normal-nc"),
        ("0x2000", "a map 0x2000 0x2000 normal-nc"),
        ("0x1000", "a unmap 0x1000 0x2000"),
        ("0x2000", "a unmap 0x1000 0x2000"),
        ("0x1000", "a write 0x1ff8 16"),
        ("0x2000", "a write 0x1ff8 16"),
        ("0x1000", "a write 0x1000 0x2000"),
        ("0x2000", "a write 0x1000 0x2000"),
        ("0x1000", "a dc zva 0x1fc0 128"),
    ],
)
def test_a_refused_event_has_done_nothing(mapped: str, broken: str) -> None:
    text = f"b map 0x1000 0x3000 normal-wb\na map {mapped} 0x1000 normal-wb\n"
    checker = checker_of(text)
    before = _everything(checker)
    with pytest.raises(TraceError):
        checker.event(next(iter(TextReader([broken]))).event, 3)
    assert _everything(checker) == before
    assert checker.events == 2


def _everything(checker: Checker) -> list[object]:
    """The state of each of the first pages: its aliases, and the bytes of each of its lines."""
    memory = checker.state.memory
    known = []
    for page in range(8):
        row = memory.row(page)
        (sparse,) = memory.ranges(page, page + 1)
        lines = [{sparse.state: (1 << checker.profile.line) - 1}] * memory.lines_per_page
        if row != NOT_DENSE:
            lines = [checker.state.lines.parts(row, index) for index in range(memory.lines_per_page)]
        aliases = checker.state.page_classes.classes[memory.page_class(page)]
        known.append((aliases, lines))
    return [*known, len(checker.findings)]


# -- a great deal of memory ----------------------------------------------------------------------------------

TIB = 1 << 40


def _grown_by(checker: Checker, text: str) -> int:
    """The peak bytes that a trace's events add to those of a new checker."""
    events = list(TextReader(io.StringIO(text)))
    tracemalloc.start()
    try:
        for where, event in events:
            checker.event(event, where)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_terabytes_cost_no_more_than_pages() -> None:
    checker = Checker()
    cost = _grown_by(
        checker,
        f"""dom0 map 0 {8 * TIB:#x} normal-wb
        dom0 write 0 {8 * TIB:#x}
        xen map {TIB:#x} {2 * TIB:#x} normal-wb exec
        dom0 dc civac 0 {8 * TIB:#x}
        dom0 unmap {TIB:#x} {TIB:#x}
        dom0 dcache off
        dom0 mmu off
        guest icache on
        guest mmu off
        guest ic iallu
        guest read 0 {8 * TIB:#x}
        guest dc isw 0 {8 * TIB:#x}""",
    )
    assert checker.findings == []
    assert checker.state.memory.rows == 0
    assert cost < 1_000_000


def test_a_hazard_in_terabytes_is_one_finding() -> None:
    checker = Checker()
    cost = _grown_by(
        checker,
        f"""dom0 map 0 {TIB:#x} normal-wb
        dom0 write 0 {TIB:#x}
        dom0 unmap 0 {TIB:#x}
        guest mmu off
        guest read 0 {TIB:#x}""",
    )
    (finding,) = checker.findings
    assert (finding.address, finding.lines) == (0, TIB // 64)
    assert cost < 1_000_000


def test_a_hole_in_terabytes_is_left_out_of_the_finding() -> None:
    hole = 5 * PAGE_SIZE + 64
    checker = checker_of(
        f"""dom0 map 0 {TIB:#x} normal-wb
        dom0 write 0 {TIB:#x}
        dom0 unmap 0 {TIB:#x}
        dom0 dc civac {hole:#x} 64
        guest mmu off
        guest read 0 {TIB:#x}"""
    )
    bad = sorted((finding.address, finding.address + 64 * finding.lines) for finding in checker.findings)
    assert sum(end - start for start, end in bad) == TIB - 64
    assert all(not start <= hole < end for start, end in bad)
    assert all(first[1] <= second[0] for first, second in pairwise(bad))


def test_a_refused_page_far_into_terabytes_is_found() -> None:
    with pytest.raises(TraceError) as caught:
        check_text(
            f"""a map 0 {TIB:#x} normal-wb
            a unmap {TIB // 2:#x} 0x1000
            a read 0 {TIB:#x}"""
        )
    assert caught.value.where == "3"
    assert f"{TIB // 2:#x}" in caught.value.reason


# -- the last address ----------------------------------------------------------------------------------------

LAST_PAGE = ADDRESS_LIMIT - PAGE_SIZE
LAST = f"a map {LAST_PAGE:#x} 0x1000 normal-wb exec\n"


@pytest.mark.parametrize(
    "words",
    [
        f"a read {ADDRESS_LIMIT - 1:#x} 1",
        f"a write {LAST_PAGE:#x} 0x1000",
        f"a fetch {ADDRESS_LIMIT - 4:#x} 4",
        f"a walk {ADDRESS_LIMIT - 8:#x} 8 normal-wb",
        f"a dc zva {ADDRESS_LIMIT - 1:#x} 1",
        f"a dc civac {ADDRESS_LIMIT - 1:#x} 1",
        f"a ic ivau {ADDRESS_LIMIT - 64:#x} 64",
        "a ic ialluis",
        f"a unmap {LAST_PAGE:#x} 0x1000",
        f"b icache on\nb mmu off\nb fetch {ADDRESS_LIMIT - 4:#x} 4",
        f"b dc cvac 0 {ADDRESS_LIMIT:#x}",
    ],
)
@pytest.mark.parametrize("header", ["", "line 16\n", "line 2048\n"], ids=["64", "16", "2048"])
def test_the_last_bytes_there_are(words: str, header: str) -> None:
    assert check_text(header + LAST + words) == []


@pytest.mark.parametrize(
    "words",
    [
        f"a read {ADDRESS_LIMIT - 1:#x} 2",
        f"a write {ADDRESS_LIMIT:#x} 1",
        f"a fetch {ADDRESS_LIMIT - 2:#x} 4",
        f"a walk {ADDRESS_LIMIT - 4:#x} 8 normal-wb",
        f"a dc zva {ADDRESS_LIMIT - 64:#x} 65",
        f"a dc civac 0 {ADDRESS_LIMIT + 1:#x}",
        f"a ic ivau {ADDRESS_LIMIT + (1 << 64):#x} 64",
        f"b map {LAST_PAGE:#x} 0x2000 normal-wb",
        f"b map 0 {1 << 63:#x} normal-wb",
        f"a unmap {LAST_PAGE:#x} {1 << 64:#x}",
    ],
)
def test_a_byte_past_the_last(words: str) -> None:
    with pytest.raises(TraceError, match=r"reaches past 2\^52") as caught:
        check_text(LAST + words)
    assert caught.value.where == "2"


# -- many agents ---------------------------------------------------------------------------------------------


def test_many_agents_and_then_too_many() -> None:
    names = [f"cpu{number}" for number in range(256)]
    text = "".join(f"{name} map 0x1000 0x1000 normal-wb\n" for name in names)
    assert check_text(text + "cpu0 read 0x1000 8\n") == []
    with pytest.raises(TraceError, match="'guest' is one agent more than the 256") as caught:
        check_text(text + "guest mmu off\n")
    assert caught.value.where == "257"


def test_every_agent_can_see_memory_in_its_own_way() -> None:
    text = "".join(
        f"cpu{number} map 0x1000 0x1000 {'normal-wb' if number % 2 else 'normal-nc'}\n"
        for number in range(200)
    )
    text += "".join(f"cpu{number} unmap 0x1000 0x1000\n" for number in range(200))
    assert check_text(f"{text}guest mmu off\nguest write 0x1000 8\nguest read 0x1000 8\n") == []


def test_the_profile_is_sixty_four_bytes_and_no_promises() -> None:
    assert Checker().profile == Profile() == TextReader([]).profile


WALK_WITH_CACHES_OFF = """\
cpu0 map 0x40000000 0x1000 normal-wb
cpu0 write 0x40000100 8
cpu1 dcache off
{}"""
WALK = "cpu1 walk 0x40000100 8 normal-wb\n"


@pytest.mark.parametrize("compiled", [False, True])
def test_a_cacheable_walk_with_the_dcache_off_is_nc_with_one_warning(compiled: bool) -> None:
    reader = TextReader(io.StringIO(WALK_WITH_CACHES_OFF.format(WALK * 3)))
    numbered = list(reader)
    checker = Checker(reader.profile)
    if compiled:
        checker.expect(1_000_000)
    checker.feed(Batch.of((event for _, event in numbered), (where for where, _ in numbered)))
    assert checker.kinds == {"stale-read": 3}
    assert checker.warnings == [
        "line 4: 'walk' of normal-wb while cpu1's dcache is off (SCTLR.C clear) is taken as normal-nc"
    ]


@pytest.mark.parametrize(
    "walk", ["cpu1 walk 0x40000100 8 normal-nc\n", f"cpu1 dcache on\n{WALK}"], ids=["nc", "dcache on"]
)
def test_a_walk_that_can_be_has_no_warning(walk: str) -> None:
    assert checker_of(WALK_WITH_CACHES_OFF.format(walk)).warnings == []


@pytest.mark.parametrize(
    ("option", "agents", "warned"),
    [("setway-effective", 1, 0), ("setway-effective", 2, 1), ("setway-effective", 3, 1), ("idc", 2, 0)],
)
def test_effective_set_way_of_several_agents_has_a_warning(option: str, agents: int, warned: int) -> None:
    checker = checker_of(
        f"option {option}\n" + "".join(f"cpu{number} dc csw 0x1000 64\n" for number in range(agents))
    )
    assert len(checker.warnings) == warned
    for warning in checker.warnings:
        assert f"there are {agents} agents, cpu0 and cpu1" in warning
