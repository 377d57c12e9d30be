# SPDX-License-Identifier: GPL-2.0-or-later
"""Why loads and stores may be left out: what `coldline.frontends.qemu.known` says of the rules, on the automata."""

import itertools
from collections.abc import Iterable

import pytest

from coldline.rules.alphabet import Letter
from coldline.rules.automaton import LETTERS, READS, Automaton, automaton
from coldline.rules.profile import SWITCHES, Profile

DATA = (Letter.SET_DATA, Letter.SET_BOTH)
CODE = (Letter.SET_FETCH, Letter.SET_BOTH)
SETTINGS = (Letter.SET_NONE, Letter.SET_FETCH, Letter.SET_DATA, Letter.SET_BOTH)
READING = {
    Letter.READ_WB: DATA,
    Letter.READ_WB_OTHER: DATA,
    Letter.READ_NC: SETTINGS,
    Letter.FETCH_WB: CODE,
    Letter.FETCH_WB_OTHER: CODE,
    Letter.FETCH_NC: SETTINGS,
}
"""The letters of reads and fetches, and the settings that there are while the agent's own alias is live."""

WRITING = (
    ((Letter.WRITE_WB, Letter.WRITE_WB_OTHER), DATA),
    ((Letter.WRITE_WT,), DATA),
    ((Letter.WRITE_NC,), SETTINGS),
)
"""The same of each kind of write, to a byte and beside it."""

PROFILES = [
    Profile.with_options(options)
    for count in range(len(SWITCHES) + 1)
    for options in itertools.combinations(SWITCHES, count)
]


@pytest.fixture(name="of", params=PROFILES, ids=lambda each: ",".join(each.options) or "no promise")
def fixture_of(request: pytest.FixtureRequest) -> Automaton:
    return automaton(request.param)


def step(of: Automaton, state: int, letter: Letter) -> int:
    return of.step[state][LETTERS.index(letter)]


def within(of: Automaton, settings: Iterable[Letter]) -> set[int]:
    """The states of a byte with one of these settings."""
    return {step(of, state, setting) for state in range(len(of.step)) for setting in settings}


def test_no_read_changes_a_state(of: Automaton) -> None:
    for letter, settings in READING.items():
        for state in within(of, settings):
            assert step(of, state, letter) == state, (letter, state)


def test_no_alias_makes_a_read_worse(of: Automaton) -> None:
    for index, _ in enumerate(READS):
        for state in range(len(of.step)):
            for setting in SETTINGS:
                assert of.bad[state][index] or not of.bad[step(of, state, setting)][index]


def test_a_write_that_was_done_changes_nothing_more(of: Automaton) -> None:
    """Whatever writes of its kind there were, to the byte and beside it, one of those again changes nothing."""
    for letters, settings in WRITING:
        seen = {(state, frozenset[Letter]()) for state in within(of, settings)}
        waiting = list(seen)
        while waiting:
            state, done = waiting.pop()
            for letter in letters:
                after = step(of, state, letter)
                assert letter not in done or after == state, (letter, state)
                pair = after, done | {letter}
                if pair not in seen:
                    seen.add(pair)
                    waiting.append(pair)


def test_a_read_after_a_write_is_right(of: Automaton) -> None:
    """Of the same bytes, by write-back; writes beside them come between."""
    index = READS.index(Letter.READ_WB)
    for state in within(of, DATA):
        written = step(of, state, Letter.WRITE_WB)
        assert not of.bad[written][index]
        assert not of.bad[step(of, written, Letter.WRITE_WB_OTHER)][index]


@pytest.mark.parametrize("between", [*SETTINGS, Letter.DC_CVAC, Letter.DC_CIVAC])
def test_what_comes_between_matters_to_writes(between: Letter) -> None:
    """So it has to end what is known: the test above would fail with these letters among the writes."""
    of = automaton(Profile())
    assert any(
        step(of, after, letter) != after
        for letter in (Letter.WRITE_WB, Letter.WRITE_NC)
        for state in within(of, SETTINGS)
        for after in [step(of, step(of, state, letter), between)]
    )


def test_an_earlier_ic_of_two_leaves_nothing(of: Automaton) -> None:
    """Without anything between them, or with reads and fetches of what is as it was at the first one."""
    for state in range(len(of.step)):
        assert step(of, step(of, state, Letter.IC), Letter.IC) == step(of, state, Letter.IC)


def test_an_ic_after_another_one_changes_no_fetch(of: Automaton) -> None:
    """As long as nothing was done to the line: instruction caches are filled anew with what they had."""
    for setting in CODE:
        for state in within(of, (setting,)):
            once = step(of, state, Letter.IC)
            fetched = step(of, once, Letter.FETCH_WB)
            assert step(of, fetched, Letter.IC) == once
