# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests for the microstates that a set may have or lack."""

import random
from itertools import product

import pytest

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import Hazard
from coldline.rules.microstate import Level, Microstate
from coldline.rules.order.alphabet import CHECKED, WRITES, Act, OrderedLetter, Possible
from coldline.rules.order.indistinct import indistinct, is_in_order, just_written
from coldline.rules.order.machine import OrderMachine
from coldline.rules.order.microstate import Maintenance, OrderedMicrostate, Pending, StoreInFlight
from coldline.rules.order.outcomes import outcomes
from coldline.rules.order.virtual_caches import LABELLED
from coldline.rules.profile import Profile
from tests.rules.next_write import MICROSTATES, finds_as_much

CORES = (0, 1, 2)
EVENTS = [OrderedLetter(act, core) for act in Act if act not in LABELLED for core in CORES]
LOOKS = [letter for letter in EVENTS if letter.act in CHECKED]
SPECULATION = [Possible._make((*flags, (), ())) for flags in product((False, True), repeat=6)]
PROFILES = [
    Profile(),
    Profile(idc=True),
    Profile(idc=True, dic=True),
    Profile(dic=True),
    Profile(nc_may_hit=True),
    Profile(setway_effective=True),
]
ACCESSES = [Act.READ, Act.READ_OTHER, Act.WRITE, Act.WRITE_OTHER, Act.FETCH]
COMMON = [
    *(Act.READ, Act.READ_OTHER, Act.WRITE, Act.WRITE_OTHER, Act.WRITE_NC, Act.READ_NC, Act.FETCH),
    *(Act.CACHEABLE_CIVAC, Act.DC_IVAC, Act.CACHEABLE_CVAU, Act.IC, Act.DSB, Act.ISB, Act.DMB, Act.WRITE_WT),
]
"""Acts of which words have more than of others."""


def named(profile: Profile) -> str:
    """The switches of a profile, for the test's name."""
    on = [name for name in ("idc", "dic", "nc_may_hit", "setway_effective") if getattr(profile, name)]
    return " ".join(on) or "none"


def word(seed: int) -> list[OrderedLetter | Possible]:
    """Events and changes of what speculation may do, at random."""
    choose = random.Random(seed)
    found: list[OrderedLetter | Possible] = [Possible(data=True)]
    for _ in range(8):
        found += [OrderedLetter(act, 0) for act in choose.sample(ACCESSES, 2)]
        found.append(OrderedLetter(choose.choice(COMMON), choose.choice((0, 0, 1))))
        if choose.random() < 0.3:
            found.append(choose.choice(EVENTS))
        if choose.random() < 0.3:
            found.append(choose.choice(SPECULATION))
    return found


def compare(profile: Profile, words: range, *, barriers: bool = True) -> tuple[int, int]:
    """Compare what reads find with joined states and without; return how many states there are of both."""
    machines = [OrderMachine(profile, barriers=barriers, joins=joins) for joins in (True, False)]
    for seed in words:
        states = [machine.start([OrderedMicrostate()]) for machine in machines]
        for letter in word(seed):
            states = [machine.step(state, letter) for machine, state in zip(machines, states, strict=True)]
            for look in LOOKS:
                joined, plain = (m.hazards(s, look) for m, s in zip(machines, states, strict=True))
                assert joined == plain, (seed, letter, look)
    joined_count, plain_count = map(len, machines)
    return joined_count, plain_count


@pytest.mark.parametrize("barriers", [True, False])
def test_joined_states_find_what_each_of_them_finds(barriers: bool) -> None:
    joined, plain = compare(Profile(), range(2), barriers=barriers)
    assert joined < plain


@pytest.mark.long
@pytest.mark.parametrize("profile", PROFILES, ids=named)
def test_joined_states_find_what_each_of_them_finds_in_many_words(profile: Profile) -> None:
    joined, plain = compare(profile, range(100, 120))
    assert joined < plain


def test_writes_to_other_bytes_of_a_line_lead_to_no_more_states() -> None:
    machine = OrderMachine(Profile(), barriers=True)
    state = machine.step(machine.start([OrderedMicrostate()]), Possible(data=True))
    written = machine.step(state, OrderedLetter(Act.WRITE, 0))
    for acts in product((Act.READ_OTHER, Act.WRITE, Act.WRITE_OTHER, Act.WALK), repeat=2):
        after = written
        for act in acts:
            after = machine.step(after, OrderedLetter(act, 0))
        assert machine.step(after, OrderedLetter(Act.WRITE, 0)) == machine.step(
            after, OrderedLetter(Act.WRITE_OTHER, 0)
        )


def test_companions_are_equal_after_a_write() -> None:
    pending = Pending((Maintenance(Letter.DC_CIVAC, True),), instruction=True, prefetched=True)
    for line, act, core in product(line_rules.microstates(), WRITES, CORES):
        for m in (OrderedMicrostate(line), OrderedMicrostate(line).having(0, pending)):
            for other, _ in indistinct(m):
                letter = OrderedLetter(act, core)
                after = [list(outcomes(each, letter, Profile(), barriers=True)) for each in (m, other)]
                assert after[0] == after[1]


@pytest.mark.parametrize(
    "m",
    [
        OrderedMicrostate(instructions=((0, True),)),
        OrderedMicrostate().having(0, Pending(store=StoreInFlight(True, False))),
        OrderedMicrostate().having(1, Pending(store=StoreInFlight(False, True))),
    ],
)
def test_nothing_is_beside_a_store_in_flight_and_labelled_instructions(m: OrderedMicrostate) -> None:
    assert not list(indistinct(m))


@pytest.mark.parametrize(
    ("line", "in_order"),
    [
        (Microstate(), True),
        (Microstate(Level.CLEAN, True), True),
        (Microstate(Level.CLEAN, True, fresh_memory=False), False),
        (Microstate(Level.CLEAN, False), False),
        (Microstate(Level.DIRTY, True, Level.DIRTY, False, fresh_memory=False), True),
        (Microstate(Level.DIRTY, True, Level.DIRTY, False, fresh_memory=True), False),
        (Microstate(Level.DIRTY, True, Level.CLEAN, True, fresh_memory=False), False),
        (Microstate(Level.INVALID, False, Level.DIRTY, True, fresh_memory=False), True),
    ],
)
def test_in_order(line: Microstate, in_order: bool) -> None:
    assert is_in_order(line) is in_order


@pytest.mark.long
@pytest.mark.parametrize("kind", [Hazard.STALE, Hazard.LOST], ids=["stale", "lost"])
@pytest.mark.parametrize("barriers", [True, False], ids=["order", "at once"])
@pytest.mark.parametrize("profile", PROFILES, ids=named)
def test_what_a_write_leaves_finds_whatever_caches_in_order_find(
    profile: Profile, barriers: bool, kind: Hazard
) -> None:
    includes = finds_as_much(profile, kind, barriers=barriers)
    numbers = {m: number for number, m in enumerate(MICROSTATES)}
    tried = 0
    for m in MICROSTATES:
        if is_in_order(m.line):
            tried += 1
            assert includes(numbers[m], numbers[m._replace(line=just_written(m.line))]), m
    assert tried > len(MICROSTATES) // 10
