# SPDX-License-Identifier: GPL-2.0-or-later
"""The automaton of a byte, held against a second one, and the automaton of lines above it."""

from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path

import byte_machine
import numpy as np
import pytest
from explorer import CHECKED
from hypothesis import given, settings
from hypothesis import strategies as st

from coldline.coherence.automaton import LETTERS, READS, Automaton, automaton, build
from coldline.coherence.lines import BAD, UNKNOWN, Badness, Lines, memo_key
from coldline.coherence.rules import ACCESSES, OTHER, Hazard, Letter, Profile, microstates

LINE = 16


@lru_cache
def built(profile: Profile) -> Automaton:
    return build(profile)


@pytest.fixture
def lines() -> Lines:
    return Lines(built(Profile()), LINE)


# -- how many states ---------------------------------------------------------------------------------------

SIZES = {
    # (idc, dic): reachable, minimal; nc-may-hit changes what reads say but parts no states
    (False, False): (2494, 311),
    (True, False): (2031, 101),
    (False, True): (355, 31),
    (True, True): (355, 22),
}
EFFECTIVE_SIZES = {
    # The same where dc csw, cisw and isw certainly reach the line: no page counts on these.
    (False, False): (942, 259),
    (True, False): (683, 85),
    (False, True): (215, 27),
    (True, True): (215, 20),
}
SWITCHES = [
    {"nc_may_hit": nc, "idc": idc, "dic": dic, "setway_effective": effective}
    for nc, idc, dic, effective in product((False, True), repeat=4)
]


def named(switches: dict[str, bool]) -> str:
    return "-".join(name for name, on in switches.items() if on) or "none"


@lru_cache
def again(**switches: bool) -> byte_machine.Machine:
    return byte_machine.determined(**switches)


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
def test_sizes(switches: dict[str, bool]) -> None:
    machine = built(Profile(**switches))
    sizes = EFFECTIVE_SIZES if switches["setway_effective"] else SIZES
    assert (machine.reachable, len(machine.step)) == sizes[switches["idc"], switches["dic"]]


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
def test_sizes_are_those_of_a_second_construction(switches: dict[str, bool]) -> None:
    machine, second = built(Profile(**switches)), again(**switches)
    assert len(second.step) == machine.reachable
    assert len(byte_machine.hopcroft(second)) == len(machine.step)


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
def test_a_second_construction_says_the_same_of_every_trace(switches: dict[str, bool]) -> None:
    """Both are walked at once: each of its states goes with one of ours, and their reads go wrong alike."""
    machine, second = built(Profile(**switches)), again(**switches)
    partner, todo = {0: machine.start}, [0]
    for state in todo:
        ours = partner[state]
        flags = [Hazard(each) for each in machine.bad[ours]]
        assert second.output[state] == tuple((Hazard.STALE in each, Hazard.LOST in each) for each in flags)
        for target, our_target in zip(second.step[state], machine.step[ours], strict=True):
            if target not in partner:
                partner[target] = our_target
                todo.append(target)
            assert partner[target] == our_target
    assert len(partner) == len(second.step)
    assert set(partner.values()) == set(range(len(machine.step)))


def test_the_second_construction_has_our_letters_and_reads() -> None:
    def words(letter: Letter) -> str:
        return letter.name.lower().replace("_", " ")

    assert list(byte_machine.LETTERS) == [words(letter) for letter in LETTERS]
    reads = [
        next(name for name, event in byte_machine.EVENTS.items() if event[0] == action) for action in CHECKED
    ]
    assert reads == [words(letter) for letter in READS]


def test_nc_may_hit_is_seen_in_what_reads_say() -> None:
    for idc, dic in SIZES:
        plain, hits = built(Profile(idc=idc, dic=dic)), built(Profile(idc=idc, dic=dic, nc_may_hit=True))
        assert plain.bad != hits.bad
        assert plain.step == hits.step


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
def test_an_automaton_is_complete(switches: dict[str, bool]) -> None:
    machine = built(Profile(**switches))
    states = range(len(machine.step))
    assert machine.start in states
    assert len(machine.bad) == len(machine.step)
    assert all(len(row) == len(LETTERS) for row in machine.step)
    assert all(len(row) == len(READS) for row in machine.bad)
    assert all(type(target) is int and target in states for row in machine.step for target in row)


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
def test_states_are_numbered_by_the_shortest_traces_that_lead_to_them(switches: dict[str, bool]) -> None:
    machine = built(Profile(**switches))
    met = [machine.start]
    for state in met:
        met += [target for target in dict.fromkeys(machine.step[state]) if target not in met]
    assert met == list(range(len(machine.step)))


def test_a_cold_byte_reads_well_in_every_way() -> None:
    machine = built(Profile())
    assert machine.bad[machine.start] == (0,) * len(READS)


def test_there_are_a_hundred_and_fifty_microstates() -> None:
    listed = microstates()
    # 1 + 2 + 2 ways for each level of data cache, 1 + 2 for the instruction cache, 2 for memory
    assert len(listed) == len(set(listed)) == 5 * 5 * 3 * 2


# -- built once ----------------------------------------------------------------------------------------------


def test_an_automaton_is_built_once_for_all_that_a_byte_does_not_know() -> None:
    first = automaton(Profile(idc=True, dic=True))
    assert automaton(Profile(idc=True, dic=True, line=2048, setway_effective=True)) is first
    assert automaton(Profile(dic=True)) != first


def test_nothing_is_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    build(Profile(idc=True, dic=True))
    assert not list(tmp_path.iterdir())


# -- lines against their bytes -------------------------------------------------------------------------------

Move = tuple[Letter, int, int]


@st.composite
def moves(draw: st.DrawFn) -> Move:
    letter = draw(st.sampled_from(LETTERS))
    if letter not in ACCESSES:
        return letter, 0, LINE
    start = draw(st.integers(0, LINE - 1))
    return letter, start, draw(st.integers(start + 1, LINE))


def step_bytes(machine: Automaton, states: list[int], move: Move) -> list[int]:
    letter, start, end = move
    after = []
    for offset, state in enumerate(states):
        now = letter if start <= offset < end else OTHER.get(letter)
        after.append(state if now is None else machine.step[state][now])
    return after


def bad_bytes(machine: Automaton, states: list[int], move: Move, hazard: Hazard) -> list[int]:
    letter, start, end = move
    if letter not in READS:
        return []
    column = READS.index(letter)
    return [offset for offset in range(start, end) if machine.bad[states[offset]][column] & hazard]


def bytes_of(lines: Lines, shape: int) -> list[int]:
    states: list[int] = []
    for end, state in lines.shapes[shape]:
        states += [state] * (end - len(states))
    return states


@settings(max_examples=300, deadline=None)
@given(st.lists(moves(), max_size=25))
def test_a_line_moves_as_its_bytes_do(path: list[Move]) -> None:
    machine = built(Profile())
    lines = Lines(machine, LINE)
    shape, states = lines.cold, [machine.start] * LINE
    for move in path:
        expected = []
        for hazard in (Hazard.LOST, Hazard.STALE):
            if bad := bad_bytes(machine, states, move, hazard):
                expected.append(Badness(hazard, bad[0], bad[-1] + 1))
        assert lines.badness(shape, *move) == tuple(expected)
        target = lines.step(shape, *move)
        assert lines.step(shape, *move) == target  # from the memo now
        assert bool(target & BAD) == bool(expected)
        shape, states = target & ~BAD, step_bytes(machine, states, move)
        assert bytes_of(lines, shape) == states
        assert all(first[1] != second[1] for first, second in pairwise(lines.shapes[shape]))


@settings(max_examples=100, deadline=None)
@given(st.lists(moves(), min_size=1, max_size=25), st.sampled_from(LETTERS))
def test_steps_is_step_many_times(path: list[Move], letter: Letter) -> None:
    lines = Lines(built(Profile()), LINE)
    seen = [lines.cold]
    for move in path:
        seen.append(lines.step(seen[-1], *move) & ~BAD)
    shapes = np.array([seen, seen[::-1]], np.int32)
    asked = Lines(lines.automaton, LINE)
    asked.shapes, asked._numbers = list(lines.shapes), dict(lines._numbers)
    asked.whole = np.full_like(lines.whole, UNKNOWN)
    targets = asked.steps(shapes, letter)
    assert targets.shape == shapes.shape
    for shape, target in zip(shapes.ravel().tolist(), targets.ravel().tolist(), strict=True):
        assert bytes_of(asked, target & ~BAD) == bytes_of(lines, lines.step(shape, letter) & ~BAD)
        assert target & BAD == lines.step(shape, letter) & BAD


def test_steps_of_no_lines(lines: Lines) -> None:
    assert lines.steps(np.empty((0, 64), np.int32), Letter.READ_WB).shape == (0, 64)


def test_shapes_outgrow_the_first_table(lines: Lines) -> None:
    width = lines.whole.shape[1]
    for start in range(LINE):
        for end in range(start + 1, LINE + 1):
            lines.step(lines.cold, Letter.WRITE_NC, start, end)
            lines.step(lines.cold, Letter.WRITE_WB, start, end)
    assert len(lines.shapes) > width
    assert lines.whole.shape[1] >= len(lines.shapes)
    for shape in range(len(lines.shapes)):
        target = lines.step(shape, Letter.DC_CIVAC)
        assert lines.whole[Letter.DC_CIVAC, shape] == target


def test_the_memo_grows_and_forgets_nothing(lines: Lines) -> None:
    first = len(lines.memo)
    asked: dict[tuple[int, Letter, int, int], int] = {}
    todo = [lines.cold]
    while len(asked) < 2 * first:
        shape = todo.pop(0)
        for letter in (Letter.WRITE_WB, Letter.WRITE_NC, Letter.READ_WB, Letter.READ_NC):
            for start in range(0, LINE, 4):
                for end in range(start + 1, LINE + (start > 0), 3):
                    target = lines.step(shape, letter, start, end)
                    asked[shape, letter, start, end] = target
                    todo.append(target & ~BAD)
    assert len(lines.memo) >= 4 * first
    assert np.count_nonzero(lines.memo[:, 0]) == len(asked)
    assert all(lines.step(*question) == target for question, target in asked.items())
    assert np.count_nonzero(lines.memo[:, 0]) == len(asked)


def test_the_longest_line_has_keys_of_its_own() -> None:
    lines = Lines(built(Profile()), 2048)
    questions = list(product((0, 1, 77), sorted(ACCESSES), (0, 1, 1024, 2047), (1, 2, 1025, 2047, 2048)))
    keys = {memo_key(*question) for question in questions}
    assert len(keys) == len(questions)
    assert all(0 < key < 1 << 64 for key in keys)
    target = lines.step(lines.cold, Letter.WRITE_NC, 2047, 2048)
    assert [end for end, _ in lines.shapes[target]][-1] == 2048
