# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines give the same results as their bytes, each of which the test follows through the automaton."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldline.arm import MemoryType
from coldline.checker import Checker
from coldline.checker.dense_rows import COMPILE_FROM
from coldline.checker.state import transitions
from coldline.checker.state.lines import Badness, Lines, runs_of
from coldline.checker.state.memory import Memory
from coldline.checker.state.packing import MAX_PACKED, packed, unpacked
from coldline.checker.state.partitions import (
    CROWD,
    FIRST_MORE,
    FREE,
    FREE_SHARED,
    FRESH,
    NEXT,
    OWN,
    SHARED,
    Parts,
)
from coldline.checker.state.transitions import NO_LETTER, CompleteTables
from coldline.errors import TraceError
from coldline.events import PAGE_SIZE, Event, Op
from coldline.events.batch import Batch
from coldline.rules.alphabet import ACCESSES, OTHER, Letter
from coldline.rules.automaton import LETTERS, READS, Automaton, build_automaton
from coldline.rules.line_rules import Hazard
from coldline.rules.profile import Profile
from tests.helpers.effort import examples

LINE_SIZES = (16, 32, 64, 128, 2048)
LINE = 16
Move = tuple[Letter, int, int]


@lru_cache
def built(profile: Profile) -> Automaton:
    return build_automaton(profile)


def new_lines(line: int = LINE) -> Lines:
    lines = Lines(CompleteTables(built(Profile())), line)
    lines.memory.make_dense(0)
    return lines


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
        now = letter if start <= offset < end else OTHER.get(letter) if letter in ACCESSES else letter
        after.append(state if now is None else machine.step[state][now])
    return after


def bad_bytes(machine: Automaton, states: list[int], move: Move, hazard: Hazard) -> list[int]:
    letter, start, end = move
    if letter not in READS:
        return []
    column = READS.index(letter)
    return [offset for offset in range(start, end) if machine.bad[states[offset]][column] & hazard]


def expected_badness(machine: Automaton, states: list[int], move: Move) -> tuple[Badness, ...]:
    found = []
    for hazard in (Hazard.LOST, Hazard.STALE):
        if bad := bad_bytes(machine, states, move, hazard):
            found.append(Badness(hazard, bad[0], bad[-1] + 1))
    return tuple(found)


def bytes_of(parts: Parts, line: int = LINE) -> list[int]:
    """The state of each byte; every byte has one."""
    states = [-1] * line
    for state, mask in parts.items():
        assert mask
        for start, end in runs_of(mask):
            assert states[start:end] == [-1] * (end - start)
            states[start:end] = [state] * (end - start)
    assert -1 not in states
    return states


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(moves(), max_size=25))
def test_a_line_moves_as_its_bytes_do(path: list[Move]) -> None:
    machine, lines = built(Profile()), new_lines()
    states = [machine.start] * LINE
    for move in path:
        expected = expected_badness(machine, states, move)
        assert lines.touch(3, 5, *move) == expected
        states = step_bytes(machine, states, move)
        assert bytes_of(lines.parts(3, 5)) == states
    assert bytes_of(lines.parts(3, 4)) == [machine.start] * LINE


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(moves(), max_size=12), st.lists(st.sampled_from(LETTERS), max_size=8), moves())
def test_what_was_deferred_happens_before_the_next_access(
    path: list[Move], waiting: list[Letter], last: Move
) -> None:
    machine, lines = built(Profile()), new_lines()
    states = [machine.start] * LINE
    for move in path:
        lines.touch(0, 0, *move)
        states = step_bytes(machine, states, move)
    for letter in waiting:
        lines.defer(np.array([0]), letter)
        states = step_bytes(machine, states, (letter, 0, LINE))
        assert bytes_of(lines.parts(0, 0)) == states
    assert lines.touch(0, 0, *last) == expected_badness(machine, states, last)
    assert bytes_of(lines.parts(0, 0)) == step_bytes(machine, states, last)


def test_there_is_a_letter_that_does_nothing() -> None:
    table = CompleteTables(built(Profile()))
    assert table.step[NO_LETTER].tolist() == list(range(table.states))
    assert not table.bad[NO_LETTER].any()
    assert all(int(quiet) >> NO_LETTER & 1 for quiet in table.quiet)


def test_a_quiet_letter_changes_nothing_and_finds_nothing_on_either_side() -> None:
    machine, table = built(Profile()), CompleteTables(built(Profile()))
    for state in range(table.states):
        for letter in LETTERS:
            other = OTHER.get(letter)
            still = machine.step[state][letter] == state and (
                other is None or machine.step[state][other] == state
            )
            right = letter not in READS or not machine.bad[state][READS.index(letter)]
            assert bool(int(table.quiet[state]) >> letter & 1) == (still and right)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("most", [2, 3, 5])
def test_more_transformers_than_there_may_be_are_none_at_all(
    most: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "MAX_TRANSFORMERS", most)
    machine, follower = built(Profile(line=LINE)), Checker(Profile(line=LINE))
    lines = follower.state.lines
    lines.memory.make_dense(0)
    if compiled:
        follower._rows.compiled(COMPILE_FROM)
    forgotten: list[int] = []
    forget = lines.transitions.forget_transformers

    def note() -> None:
        forgotten.append(1)
        forget()

    monkeypatch.setattr(lines.transitions, "forget_transformers", note)
    states = [machine.start] * LINE
    lines.touch(1, 3, Letter.WRITE_NC, 3, 5)
    mixed = step_bytes(machine, states, (Letter.WRITE_NC, 3, 5))
    for _ in range(3):
        for letter in (Letter.SET_BOTH, Letter.WRITE_WB, Letter.IC, Letter.SET_NONE, Letter.DC_CVAU):
            follower._rows.defer(np.array([1, 2]), letter)
            states = step_bytes(machine, states, (letter, 0, LINE))
            mixed = step_bytes(machine, mixed, (letter, 0, LINE))
            assert bytes_of(lines.parts(1, 0)) == bytes_of(lines.parts(2, 7)) == states
            assert bytes_of(lines.parts(1, 3)) == mixed
    assert forgotten


# -- records ---------------------------------------------------------------------------------------------------


@st.composite
def some_parts(draw: st.DrawFn, line: int) -> Parts:
    states = draw(st.lists(st.integers(0, 310), min_size=1, max_size=min(line, 11), unique=True))
    owners = draw(st.lists(st.sampled_from(states), min_size=line, max_size=line))
    parts: Parts = {}
    for offset, state in enumerate(owners):
        parts[state] = parts.get(state, 0) | 1 << offset
    return parts


@settings(max_examples=examples(60), deadline=None)
@given(st.data(), st.sampled_from(LINE_SIZES[:4]))
def test_records_keep_what_was_put_there(data: st.DataObject, line: int) -> None:
    lines = new_lines(line)
    kept: dict[tuple[int, int], Parts] = {}
    for _ in range(data.draw(st.integers(1, 12))):
        place = data.draw(st.tuples(st.integers(0, 3), st.integers(0, lines.memory.lines_per_page - 1)))
        kept[place] = data.draw(some_parts(line))
        lines.partitions.put(*place, kept[place])
        assert all(lines.partitions.parts(*where) == parts for where, parts in kept.items())
    nodes_in_use(lines)


def nodes_in_use(lines: Lines) -> int:
    """The number of nodes linked to records, after a check that these and the free ones are all nodes."""
    pool, nodes = lines.partitions.pool, lines.partitions.nodes
    free, node = 0, int(pool[FREE])
    while node:
        free, node = free + 1, int(nodes[node, NEXT]) >> 32
    hanging = 0
    for row in np.flatnonzero(lines.memory.blocks[: lines.memory.rows]).tolist():
        for record in lines.partitions.owned[lines.memory.blocks[row]]:
            while following := int(record[NEXT]) >> 32:
                hanging, record = hanging + 1, nodes[following]
    assert free + hanging == int(pool[FRESH]) - FIRST_MORE
    return hanging


def crowd(line: int, shapes: int, pages: int) -> tuple[Checker, dict[tuple[int, int], Parts]]:
    """Lines with their own records, with `shapes` different contents."""
    follower = Checker(Profile(line=line))
    lines = follower.state.lines
    kept = {}
    for page in range(pages):
        row = lines.memory.make_dense(page)
        for index in range(lines.memory.lines_per_page):
            number = (page * lines.memory.lines_per_page + index) % shapes
            mask = number + 1
            parts = {7: mask, 9: ((1 << line) - 1) ^ mask}
            if number % 3 == 0:  # with more parts than a node holds
                parts = {state: 1 << state for state in range(1, 7)} | {9: ((1 << line) - 1) & ~0b1111110}
                parts[11] = 1 << line - 1
                parts[9] ^= 1 << line - 1
                parts[20 + number % 7] = 1 << 8
                parts[9] ^= 1 << 8
            kept[row, index] = parts
            lines.partitions.put(row, index, parts)
    return follower, kept


@pytest.mark.parametrize("line", [16, 64, 128])
def test_equal_records_become_one(line: int) -> None:
    follower, kept = crowd(line, shapes=50, pages=16)
    lines = follower.state.lines
    follower._rows.compiled(COMPILE_FROM)
    follower._rows.share_equal_records()
    assert {place: lines.parts(*place) for place in kept} == kept
    values = lines.memory.row_values(slice(16))
    assert OWN not in values
    assert len(np.unique(values)) <= 50
    assert not lines.memory.blocks[:16].any()
    # A shared record never changes: a line that does gets another one.
    lines.touch(0, 1, Letter.WRITE_NC, 2, 5)
    assert lines.parts(0, 1) != kept.pop((0, 1))
    assert {place: lines.parts(*place) for place in kept} == kept


def test_many_shapes_are_told_apart() -> None:
    """There are so many that some collide in the hash table."""
    follower, kept = crowd(64, shapes=3500, pages=100)
    follower._rows.share_equal_records()
    assert {place: follower.state.lines.parts(*place) for place in kept} == kept
    assert not np.any(follower.state.memory.row_values(slice(100)) == OWN)


def test_where_numbers_run_out_lines_keep_records_of_their_own() -> None:
    follower, kept = crowd(64, shapes=4000, pages=64)
    lines = follower.state.lines
    lines.partitions.pool[SHARED] = OWN - 10
    machine = follower._rows.compiled(COMPILE_FROM)
    assert machine is not None
    machine.loops.update()
    machine.loops.call("join")
    assert {place: lines.parts(*place) for place in kept} == kept
    assert np.count_nonzero(lines.memory.row_values(slice(64)) == OWN) > 3000
    assert lines.partitions.pool[SHARED] == OWN


def free_numbers(lines: Lines) -> int:
    """The free numbers of shared records."""
    pool, nodes = lines.partitions.pool, lines.partitions.nodes
    count, number = 0, int(pool[FREE_SHARED])
    while number:
        count, number = count + 1, int(nodes[number, NEXT]) >> 32
    return count


def test_numbers_that_no_line_has_are_given_again() -> None:
    follower, kept = crowd(64, shapes=40, pages=16)
    lines = follower.state.lines
    follower._rows.share_equal_records()
    for place in [place for place in kept if place[1] % 2]:
        lines.partitions.put(*place, {5: (1 << 64) - 1})
        kept[place] = {5: (1 << 64) - 1}
    lines.partitions.pool[SHARED] = OWN  # as if the others had been used up by lines that are gone
    lines.partitions.nodes[lines.transitions.states + 40 : OWN, NEXT] = 1
    assert lines.partitions.out_of_numbers
    follower._rows.share_equal_records()
    used = len(np.unique(lines.memory.row_values(slice(lines.memory.rows))))
    assert free_numbers(lines) > OWN - lines.transitions.states - used - 2
    assert {place: lines.parts(*place) for place in kept} == kept
    before = free_numbers(lines)
    lines.partitions.put(0, 0, kept[0, 2])
    lines.partitions.put(0, 2, kept[0, 2])
    follower._rows.share_equal_records()  # finds it in the index that was made anew
    assert free_numbers(lines) == before
    lines.partitions.put(0, 0, {1: 0b1010, 2: ~0b1010 & (1 << 64) - 1})
    follower._rows.share_equal_records()  # and takes one for what is new
    assert free_numbers(lines) == before - 1
    lines.partitions.put(0, 0, kept[0, 2])
    follower._rows.share_equal_records()
    assert lines.memory.value(0, 0) == lines.memory.value(0, 2)


def test_too_many_records_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    follower, _ = crowd(64, shapes=4000, pages=64)
    lines = follower.state.lines
    lines.partitions.pool[SHARED] = OWN - 10
    monkeypatch.setattr(lines.partitions, "_most_blocks", 50)
    with pytest.raises(TraceError, match="too many lines, up to"):
        follower._rows.share_equal_records()


@pytest.mark.parametrize("compiled", [False, True])
def test_more_nodes_than_there_may_be_are_an_error(compiled: bool) -> None:
    follower = Checker()
    follower.event(Event("a", Op.MAP, 0, PAGE_SIZE, MemoryType.NORMAL_WB))
    machine = follower._fast(COMPILE_FROM)
    assert machine is not None
    partitions = follower.state.lines.partitions
    partitions.pool[FRESH] = len(partitions.nodes) - 100
    written = Event("a", Op.WRITE, 64, 8)
    take = (lambda event: machine.feed(Batch.of([event]))) if compiled else follower.event
    with pytest.raises(TraceError, match="each line in its own way"):
        take(written)


def test_a_crowd_makes_the_check_look_for_equals() -> None:
    follower = Checker()
    follower.state.lines.partitions.pool[CROWD] = 2
    follower.event(Event("a", Op.MAP, 0, 16 * PAGE_SIZE, MemoryType.NORMAL_WB))
    for page in range(16):
        follower.event(Event("a", Op.WRITE, page * PAGE_SIZE + 64, 8))
    assert len(np.unique(follower.state.memory.row_values(slice(16))[:, 1])) <= 2
    assert follower.state.lines.partitions.pool[SHARED] == follower.state.lines.transitions.states + 1


@pytest.mark.parametrize(("mask", "runs"), [(0, []), (0b1101110, [(1, 4), (5, 7)]), (1 << 63, [(63, 64)])])
def test_runs_of(mask: int, runs: list[tuple[int, int]]) -> None:
    assert list(runs_of(mask)) == runs


@given(st.lists(st.integers(0, MAX_PACKED), min_size=1, max_size=40))
def test_values_are_packed_in_the_order_of_their_bits(numbers: list[int]) -> None:
    numbers += numbers[: len(numbers) % 2]
    three = packed(np.array(numbers, np.uint16))
    assert int.from_bytes(three.tobytes(), "little") == sum(n << 12 * i for i, n in enumerate(numbers))
    assert unpacked(three).tolist() == numbers


@settings(deadline=None)
@given(st.data())
def test_a_line_keeps_its_value_and_the_one_beside_it_too(data: st.DataObject) -> None:
    memory = Memory(4, 0)
    row = memory.make_dense(5)
    known = [0] * 4
    for _ in range(6):
        index, value = data.draw(st.tuples(st.integers(0, 3), st.integers(0, MAX_PACKED)))
        memory.set_value(row, index, value)
        known[index] = value
        assert [memory.value(row, each) for each in range(4)] == known
    assert memory.row_values(row).tolist() == known
