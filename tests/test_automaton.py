# SPDX-License-Identifier: GPL-2.0-or-later
"""The automaton of a byte, where it is kept, and the automaton of lines above it."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldline.coherence import automaton as module
from coldline.coherence.automaton import LETTERS, READS, Automaton, SetMachine, automaton, build
from coldline.coherence.lines import BAD, UNKNOWN, Badness, Lines, memo_key
from coldline.coherence.rules import ACCESSES, COLD, OTHER, Hazard, Letter, Profile, Setting, microstates

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


@pytest.mark.parametrize(("switches", "sizes"), list(SIZES.items()), ids=str)
def test_sizes(switches: tuple[bool, bool], sizes: tuple[int, int]) -> None:
    machine = built(Profile(idc=switches[0], dic=switches[1]))
    assert (machine.reachable, len(machine.step)) == sizes


def test_sizes_with_nc_may_hit() -> None:
    machine = built(Profile(nc_may_hit=True))
    assert (machine.reachable, len(machine.step)) == SIZES[False, False]
    assert machine.bad != built(Profile()).bad


@pytest.mark.parametrize(("idc", "dic"), list(product((False, True), repeat=2)))
def test_an_automaton_is_complete(idc: bool, dic: bool) -> None:
    machine = built(Profile(idc=idc, dic=dic))
    states = range(len(machine.step))
    assert machine.start in states
    assert len(machine.bad) == len(machine.step)
    assert all(len(row) == len(LETTERS) for row in machine.step)
    assert all(len(row) == len(READS) for row in machine.bad)
    assert all(target in states for row in machine.step for target in row)


def test_a_minimal_automaton_has_no_two_states_alike() -> None:
    """Moore's algorithm once more over the result: every state is told apart from every other."""
    machine = built(Profile())
    block = list(machine.bad)
    while True:
        finer = [(block[state], *(block[target] for target in row)) for state, row in enumerate(machine.step)]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(finer))}
        if len(numbers) == len(set(block)):
            break
        block = [(numbers[key],) for key in finer]
    assert len(numbers) == len(machine.step)


def test_a_cold_byte_reads_well_in_every_way() -> None:
    machine = built(Profile())
    assert machine.bad[machine.start] == (0,) * len(READS)


# -- against sets of microstates -----------------------------------------------------------------------------

MACHINES = {kw: SetMachine(Profile(**dict(kw))) for kw in ((), (("idc", True),), (("nc_may_hit", True),))}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(MACHINES)), st.lists(st.sampled_from(LETTERS), max_size=30))
def test_the_minimal_automaton_says_what_the_sets_say(
    switches: tuple[tuple[str, bool], ...], word: list[Letter]
) -> None:
    sets, machine = MACHINES[switches], built(Profile(**dict(switches)))
    setting = Setting(data=False, fetch=False)
    members, state = sets.close(sets.mask([COLD]), setting), machine.start
    for letter in word:
        setting = letter.setting or setting
        members, state = sets.advance(members, letter, setting), machine.step[state][letter]
        assert tuple(sets.hazards(members, read) for read in READS) == machine.bad[state]


def test_there_are_two_hundred_and_fifty_microstates() -> None:
    listed = microstates()
    # 1 + 2 + 2 ways for each level of data cache, 1 + 2 for the instruction cache, 2 for memory
    assert len(listed) == len(set(listed)) == 5 * 5 * 3 * 2


# -- where it is kept ----------------------------------------------------------------------------------------

SMALL = Profile(idc=True, dic=True)  # quick to build


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "coldline"


@pytest.fixture
def fresh() -> Callable[[Profile], Automaton]:
    """`automaton`, as in a process that has not asked before."""
    return automaton.__wrapped__


def test_the_cache_gives_back_what_was_built(folder: Path, fresh: Callable) -> None:
    first = fresh(SMALL)
    assert [path.suffix for path in folder.iterdir()] == [".json"]
    assert first == built(SMALL)
    assert fresh(SMALL) == first


def test_the_cache_saves_the_work(folder: Path, fresh: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fresh(SMALL)
    monkeypatch.setattr(module, "build", lambda profile: pytest.fail("built again"))
    assert fresh(SMALL) == first


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"{}",
        b'{"step": 1, "bad": 2, "start": 0, "reachable": 0}',
        b'{"step": [[1]], "bad": [[0]], "start": 0, "reachable": 1}',
        b'{"step": [[0]], "bad": [], "start": 0, "reachable": 1}',
        b'{"step": [["a"]], "bad": [[0]], "start": 0, "reachable": 1}',
    ],
    ids=repr,
)
def test_a_broken_cache_file_is_made_again(content: bytes, folder: Path, fresh: Callable) -> None:
    fresh(SMALL)
    (path,) = folder.iterdir()
    good = path.read_bytes()
    path.write_bytes(content)
    assert fresh(SMALL) == built(SMALL)
    assert path.read_bytes() == good
    assert list(folder.iterdir()) == [path]


def test_half_a_cache_file_is_made_again(folder: Path, fresh: Callable) -> None:
    fresh(SMALL)
    (path,) = folder.iterdir()
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    assert fresh(SMALL) == built(SMALL)
    assert path.read_bytes() == good


def test_a_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, fresh: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert fresh(SMALL) == built(SMALL)
    assert file.read_text() == "in the way"


def test_profiles_of_one_automaton_share_a_file(folder: Path, fresh: Callable) -> None:
    fresh(SMALL)
    fresh(replace(SMALL, line=2048, setway_effective=True))
    assert len(list(folder.iterdir())) == 1
    fresh(Profile(dic=True))
    assert len(list(folder.iterdir())) == 2


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
