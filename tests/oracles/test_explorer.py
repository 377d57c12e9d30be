# SPDX-License-Identifier: GPL-2.0-or-later
"""The explorer, against hand-worked results from ``docs/reference/rules.md`` and ``trace-format.md``.

Where the pages are ambiguous, ``explorer.py`` says how it reads them; names here then end in "(a
reading)".
"""

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from tests.helpers.effort import examples
from tests.helpers.trace_strategies import broken_traces, traces
from tests.helpers.worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES
from tests.oracles.explorer import (
    Hazard,
    Malformed,
    Microstate,
    Profile,
    Rules,
    _effect,
    _spontaneous,
    explore,
)

EXAMPLES = WORKED_EXAMPLES + SMALL_EXAMPLES


@pytest.mark.parametrize(("text", "kinds"), [e[1:] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_examples(text: str, kinds: frozenset[str]) -> None:
    assert {hazard.kind for hazard in explore(text)} == kinds


def test_examples_have_names_of_their_own() -> None:
    assert len({name for name, *_ in EXAMPLES}) == len(EXAMPLES)


# -- what a hazard says ------------------------------------------------------------------------------------


def test_a_hazard_is_in_the_last_event_of_a_worked_example_and_names_the_guest() -> None:
    for _, text, kinds in WORKED_EXAMPLES:
        size = 64 if text.endswith("guest read 0x40000000 64\n") else 8
        last = text.count("\n")
        expected = [Hazard(last, kind, "guest", 0x40000000, size) for kind in sorted(kinds)]
        assert explore(text) == expected


def test_address_and_size_span_the_bad_bytes_of_the_access() -> None:
    text = """line 16
        w map 0x1000 0x1000 normal-wb
        n map 0x1000 0x1000 normal-nc
        n write 0x1003 2   # bad: 3, 4
        n write 0x1009 1   # and 9
        w read 0x1004 12
        w read 0x1000 4
        w read 0x1005 4"""
    assert explore(text) == [
        Hazard(6, "stale-read", "w", 0x1004, 6),
        Hazard(7, "stale-read", "w", 0x1003, 1),
    ]


def test_a_hazard_spans_the_bad_bytes_of_all_microstates() -> None:
    # Until the dirty line is written back, level 1 is stale in the lower half and memory in the upper, and no
    # copy is stale in both. Then the lower half is lost.
    text = """line 16
        option nc-may-hit
        w map 0x1000 0x1000 normal-wb
        n map 0x1000 0x1000 normal-nc
        n write 0x1000 8
        w write 0x1008 8
        n read 0x1000 16"""
    assert explore(text) == [
        Hazard(7, "lost-write", "n", 0x1000, 8),
        Hazard(7, "stale-read", "n", 0x1000, 16),
    ]


def test_one_entry_for_each_line_and_kind_by_line_then_address_then_kind() -> None:
    text = """line 16
        a map 0x1000 0x1000 normal-wb
        a write 0x1000 32
        b map 0x1000 0x1000 normal-nc
        b write 0x1008 16
        a read 0x1000 32
        b read 0x1000 32"""
    assert explore(text) == [
        Hazard(6, "lost-write", "a", 0x1008, 8),
        Hazard(6, "stale-read", "a", 0x1008, 8),
        Hazard(6, "lost-write", "a", 0x1010, 8),
        Hazard(6, "stale-read", "a", 0x1010, 8),
        Hazard(7, "stale-read", "b", 0x1000, 8),
        Hazard(7, "lost-write", "b", 0x1008, 8),
        Hazard(7, "lost-write", "b", 0x1010, 8),
        Hazard(7, "stale-read", "b", 0x1018, 8),
    ]


def test_within_a_line_the_lower_address_comes_first_whatever_its_kind() -> None:
    text = """line 16
        a map 0x1000 0x1000 normal-wb
        a write 0x1000 16
        b map 0x1000 0x1000 normal-nc
        b write 0x1008 8
        b read 0x1000 16"""
    assert explore(text) == [
        Hazard(6, "stale-read", "b", 0x1000, 8),
        Hazard(6, "lost-write", "b", 0x1008, 8),
    ]


def test_an_access_over_a_page_end_is_bad_only_where_its_type_is() -> None:
    text = """line 16
        w map 0x1000 0x2000 normal-wb
        w write 0x1ff0 32
        p map 0x1000 0x1000 normal-wb exec
        p map 0x2000 0x1000 normal-nc
        p read 0x1ffc 8"""
    assert explore(text) == [Hazard(6, "stale-read", "p", 0x2000, 4)]


def test_a_bad_read_changes_no_mask() -> None:
    text = """line 16
        w map 0x1000 0x1000 normal-wb
        w write 0x1000 16
        n map 0x1000 0x1000 normal-nc
        n read 0x1000 16
        n read 0x1000 16
        w read 0x1000 16"""
    assert [hazard.line for hazard in explore(text)] == [5, 6]


# -- one step, one event -----------------------------------------------------------------------------------

# Four bytes are enough. A state is written as level 1, level 2, instruction cache, memory: I, C or D (V for
# the instruction cache) and the mask of fresh bytes, which is left out where the copy is invalid.


def state(text: str) -> Microstate:
    l1, l2, ic, memory = text.split()
    masks = [int(copy[1:] or "0", 2) for copy in (l1, l2, ic)]
    levels = ["ICD".index(copy[0]) for copy in (l1, l2)]
    return Microstate(levels[0], masks[0], levels[1], masks[1], ic[0] == "V", masks[2], int(memory, 2))


@pytest.mark.parametrize(
    ("before", "rules", "after"),
    [
        # nothing live: write-backs and drops
        ("I I I 0001", "", []),
        ("D0001 I I 0010", "", ["C0001 D0001 I 0010", "I D0001 I 0010"]),
        ("D0001 C0100 I 0010", "", ["C0001 D0001 I 0010", "I D0001 I 0010", "D0001 I I 0010"]),
        ("C0001 I I 0010", "", ["I I I 0010"]),
        ("I D0100 I 0010", "", ["I C0100 I 0100", "I I I 0100"]),
        ("I C0100 I 0010", "", ["I I I 0010"]),
        ("I I V1000 0010", "", ["I I I 0010"]),
        ("C0001 D0100 I 0010", "", ["I D0100 I 0010", "C0001 C0100 I 0100", "C0001 I I 0100"]),
        # a cacheable alias is live: fill 1 and fill 2
        ("I I I 0010", "alias", ["C0010 I I 0010", "I C0010 I 0010"]),
        ("I C0100 I 0010", "alias", ["C0100 C0100 I 0010", "I I I 0010"]),
        ("C0001 I I 0010", "alias", ["I I I 0010", "C0001 C0010 I 0010"]),
        # a cacheable fetch is possible: fill 2 and fill I, which may also refill
        ("I I I 0010", "fetch", ["I C0010 I 0010", "I I V0010 0010"]),
        ("I C0100 I 0010", "fetch", ["I I I 0010", "I C0100 V0100 0010"]),
        ("I I V1000 0010", "fetch", ["I I I 0010", "I C0010 V1000 0010", "I I V0010 0010"]),
        ("C0001 C0100 I 0010", "fetch", ["I C0100 I 0010", "C0001 I I 0010", "C0001 C0100 V0100 0010"]),
        ("C0001 C0100 I 0010", "fetch idc", ["I C0100 I 0010", "C0001 I I 0010", "C0001 C0100 V0001 0010"]),
        ("I C0100 I 0010", "fetch idc", ["I I I 0010", "I C0100 V0100 0010"]),
        ("I I I 0010", "fetch dic", ["I C0010 I 0010"]),
    ],
)
def test_a_step_of_the_closure(before: str, rules: str, after: list[str]) -> None:
    switches = Rules(*(word in rules.split() for word in ("alias", "fetch", "idc", "dic")))
    assert set(_spontaneous(state(before), switches)) == {state(text) for text in after}


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [  # m is 0011
        ("read wb", "I I I 0101", ["C0101 I I 0101"]),
        ("read wb", "I C1000 I 0101", ["C1000 C1000 I 0101"]),
        ("read wb", "D0001 C1000 I 0101", ["D0001 C1000 I 0101"]),
        ("read nc", "I C1000 I 0101", ["I C1000 I 0101"]),
        ("fetch cacheable", "I I I 0101", ["I I V0101 0101"]),
        ("fetch cacheable", "D0001 C1000 I 0101", ["D0001 C1000 V1000 0101"]),
        ("fetch cacheable", "I C1000 V0010 0101", ["I C1000 V0010 0101"]),
        ("fetch not cacheable", "I C1000 I 0101", ["I C1000 I 0101"]),
        ("write wb", "I I I 0101", ["D0111 I I 0100"]),
        ("write wb", "I C1001 V1010 0101", ["D1011 C1000 V1000 0100"]),
        ("write wb", "C0001 D1001 V1010 0101", ["D0011 D1000 V1000 0100"]),
        ("write wt", "I I I 0100", ["I I I 0111"]),
        ("write wt", "D1000 C0100 V0111 0100", ["D1011 C0111 V0100 0111"]),
        ("write nc", "D1001 C0110 V0111 0100", ["D1000 C0100 V0100 0111"]),
        ("cvac", "D0001 C0010 V1000 0100", ["C0001 C0001 V1000 0001"]),
        ("cvac", "D0001 D0010 I 0100", ["C0001 C0001 I 0001"]),
        ("cvac", "D0001 I I 0100", ["C0001 I I 0001"]),
        ("cvac", "C0001 D0010 I 0100", ["C0001 C0010 I 0010"]),
        ("cvac", "C0001 C0010 I 0100", ["C0001 C0010 I 0100"]),
        ("civac", "D0001 D0010 V1000 0100", ["I I V1000 0001"]),
        ("civac", "C0001 D0010 I 0100", ["I I I 0010"]),
        ("civac", "C0001 C0010 I 0100", ["I I I 0100"]),
        ("ivac", "D0001 D0010 V1000 0100", ["I I V1000 0001", "I I V1000 0100"]),
        ("cvau", "D0001 I V1000 0100", ["C0001 D0001 V1000 0100"]),
        ("cvau", "D0001 C0010 I 0100", ["C0001 D0001 I 0100"]),
        ("cvau", "C0001 D0010 I 0100", ["C0001 D0010 I 0100"]),
        ("csw", "D0001 I I 0100", ["C0001 I I 0001", "D0001 I I 0100"]),
        ("cisw", "D0001 I I 0100", ["I I I 0001", "D0001 I I 0100"]),
        ("isw", "D0001 I I 0100", ["I I I 0001", "I I I 0100", "D0001 I I 0100"]),
        ("ic", "D0001 C0010 V1000 0100", ["D0001 C0010 I 0100"]),
    ],
)
def test_an_event_of_the_table(action: str, before: str, after: list[str]) -> None:
    assert set(_effect(state(before), action, 0b0011, Profile())) == {state(text) for text in after}


@pytest.mark.parametrize(
    ("option", "action", "before", "after"),
    [
        ("idc", "fetch cacheable", "D0001 C1000 I 0101", ["D0001 C1000 V0001 0101"]),
        ("idc", "fetch cacheable", "I C1000 I 0101", ["I C1000 V1000 0101"]),
        ("dic", "fetch cacheable", "I C1000 I 0101", ["I C1000 I 0101"]),
        ("setway_effective", "csw", "D0001 I I 0100", ["C0001 I I 0001"]),
        ("setway_effective", "cisw", "D0001 I I 0100", ["I I I 0001"]),
        ("setway_effective", "isw", "D0001 I I 0100", ["I I I 0001", "I I I 0100"]),
    ],
)
def test_an_event_under_a_switch(option: str, action: str, before: str, after: list[str]) -> None:
    profile = Profile()
    setattr(profile, option, True)
    assert set(_effect(state(before), action, 0b0011, profile)) == {state(text) for text in after}


# -- lines above 64 bytes ----------------------------------------------------------------------------------

LONG = "line 128\na map 0x1000 0x1000 normal-wb exec\nn map 0x1000 0x1000 normal-nc\n"
FAR = "0x1040 8"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"a write {FAR}\na dc cvac 0x1000 8\nn read {FAR}", {"stale-read"}),
        (f"a write {FAR}\na dc cvac 0x103f 1\nn read {FAR}", {"stale-read"}),
        (f"a write {FAR}\na dc cvac 0x103f 2\nn read {FAR}", set()),
        (f"a write {FAR}\na dc civac 0x1000 128\nn read {FAR}", set()),
        # The instruction cache may have a copy.
        (f"a write {FAR}\na dc ivac 0x1000 8\na read {FAR}", {"lost-write", "stale-read"}),
        (f"a unmap 0x1000 0x1000\nn write {FAR}\na dc ivac {FAR}\na walk {FAR} normal-wb", set()),
        (f"a unmap 0x1000 0x1000\nn write {FAR}\na dc ivac 0x1000 8\na walk {FAR} normal-wb", {"stale-read"}),
        (f"a write 0x1000 8\nn write {FAR}\nn read {FAR}", {"lost-write", "stale-read"}),
        (f"option setway-effective\na write {FAR}\na dc csw 0x1000 8\nn read {FAR}", set()),
        (f"a write {FAR}\na dc cvau {FAR}\na ic ivau 0x1000 8\na fetch {FAR}", {"stale-fetch"}),
        (f"a write {FAR}\na dc cvau {FAR}\na ic ivau {FAR}\na fetch {FAR}", set()),
        (f"a write {FAR}\na dc cvau {FAR}\na ic iallu\na fetch {FAR}", set()),
    ],
)
def test_an_operation_by_address_is_sure_of_64_bytes(text: str, kinds: set[str]) -> None:
    options = text.split("\n")[:1] if text.startswith("option") else []
    text = "\n".join(options) + "\n" + LONG + "\n".join(text.split("\n")[len(options) :])
    assert {hazard.kind for hazard in explore(text)} == kinds


def test_one_entry_for_a_line_above_64_bytes() -> None:
    text = f"{LONG}a write 0x1000 256\nn read 0x1010 200"
    assert explore(text) == [
        Hazard(5, "stale-read", "n", 0x1010, 112),
        Hazard(5, "stale-read", "n", 0x1080, 88),
    ]


# -- the text ----------------------------------------------------------------------------------------------

MAP = "a map 0x1000 0x1000 normal-wb"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n# nothing\n   \n",
        "line 2048 # comes first\noption idc\noption dic\noption nc-may-hit\noption setway-effective",
        "option idc\nline 16",
        "line 16\nline 32",
        f"{MAP}#exec\n\n# a read 0 0\na read 4096 0x10",
        "a dc civac 0 1\na dc isw 0x0 0x100000\na ic ivau 0xfffffffffffff 1\na ic iallu\na ic ialluis",
        "a mmu off\na mmu off\na read 0 1\na write 1 1\na fetch 2 4",
        "a mmu off\na map 0x1000 0x1000 device exec\na unmap 0x1000 0x1000",
        "a walk 0x1000 8 normal-wb\na walk 0x1000 8 device",
        "a map 4096 0x3000 normal-nc\na unmap 0x2000 0x1000\na map 0x2000 4096 device\na read 0x1ff0 0x20",
        f"{MAP}\na dcache off\na dc zva 0x1fff 1",
        "a map 0xffffffffff000 0x1000 device exec\na fetch 0xffffffffffffc 4",
        "b map 0x1000 0x1000 normal-wt\na map 0x1000 0x1000 normal-wb",
    ],
)
def test_a_valid_trace_with_nothing_wrong(text: str) -> None:
    assert explore(text) == []


@pytest.mark.parametrize(
    ("text", "number", "word"),
    [
        ("line 24", 1, "24"),
        ("line 8", 1, "8"),
        ("line 4096", 1, "4096"),
        ("\noption fast", 2, "fast"),
        (f"{MAP}\nline 64", 2, "line"),
        (f"{MAP}\noption idc", 2, "option"),
        ("a", 1, "a"),
        ("a raed 0x1000 4", 1, "raed"),
        (f"{MAP}\n{MAP}", 2, "0x1000"),
        (f"{MAP}\na mmu off\n{MAP}", 3, "0x1000"),
        (f"{MAP}\na map 0 0x2000 device", 2, "mapped"),
        ("a read 0x1000 4", 1, "0x1000"),
        ("a write 0x1000 4", 1, "0x1000"),
        ("a fetch 0x1000 4", 1, "0x1000"),
        ("a dc zva 0x1000 4", 1, "0x1000"),
        (f"{MAP}\na read 0x1fff 2", 2, "0x2000"),
        (f"{MAP}\na fetch 0x1000 4", 2, "exec"),
        (f"{MAP}\nb read 0x1000 4", 2, "0x1000"),
        ("a unmap 0x1000 0x1000", 1, "0x1000"),
        (f"{MAP}\na unmap 0x1000 0x2000", 2, "not mapped"),
        (f"{MAP}\na read 0x1000 0", 2, "0"),
        ("a dc civac 0x1000 0", 1, "0"),
        ("a dc civac 0x10000000000000 4", 1, "2^52"),
        ("a dc civac 0xffffffffffffe 4", 1, "2^52"),
        ("a map 0x1000 0x1001 normal-wb", 1, "0x1001"),
        ("a map 0x1001 0x1000 normal-wb", 1, "0x1001"),
        (f"{MAP}\na unmap 0x1000 0x800", 2, "0x800"),
        ("a map 0x1000 0x1000 wb", 1, "wb"),
        ("a map 0x1000 0x1000", 1, "type"),
        (f"{MAP} executable", 1, "executable"),
        (f"{MAP} exec exec", 1, "exec"),
        ("a dc cvap 0x1000 4", 1, "cvap"),
        ("a dc civac", 1, "size"),
        ("a ic iallu 0x1000 4", 1, "iallu"),
        ("a ic ivac 0x1000 4", 1, "ivac"),
        ("a mmu maybe", 1, "maybe"),
        ("a icache", 1, "on"),
        ("a walk 0x1000 8", 1, "type"),
        ("a walk 0x1000 8 exec", 1, "exec"),
        ("a mmu off\na walk 0x1000 8 normal-wb", 2, "MMU"),
        (f"{MAP}\na mmu off\na dc zva 0x1000 64", 3, "MMU"),
        ("a map 0x1000 0x1000 device\na dc zva 0x1000 64", 2, "device"),
        ("a dc civac 4k 64", 1, "4k"),
        ("a dc civac 1000h 64", 1, "1000h"),
        ("a dc civac -64 64", 1, "-64"),
        ("a dc civac 0b1 64", 1, "0b1"),
    ],
)
def test_a_malformed_trace_names_the_line_and_the_word(text: str, number: int, word: str) -> None:
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == number
    assert word in caught.value.reason


def test_the_first_of_two_errors_is_the_one_named() -> None:
    with pytest.raises(Malformed) as caught:
        explore("a read 0x1000 4\nb frobnicate")
    assert caught.value.line_number == 1


# -- the strategies ----------------------------------------------------------------------------------------


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(traces())
def test_traces_are_valid(text: str) -> None:
    explore(text)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(broken_traces())
def test_broken_traces_are_broken_where_they_say(broken: tuple[str, int]) -> None:
    text, number = broken
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == number


@pytest.mark.parametrize(
    "kinds",
    [set(), {"stale-read"}, {"stale-fetch"}, {"lost-write"}],
    ids=lambda kinds: "".join(kinds) or "coherent",
)
def test_traces_of_every_verdict_come_up_soon(kinds: set[str]) -> None:
    soon = settings(max_examples=200, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    find(traces(), lambda text: {hazard.kind for hazard in explore(text)} == kinds, settings=soon)
