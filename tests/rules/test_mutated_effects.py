# SPDX-License-Identifier: GPL-2.0-or-later
"""Each row of the tables of order's effects matters: with another one's content, some word of letters shows it.

A word is events and changes of what speculation may do; some read on its way has another hazard. `ALSO_OTHERWISE` has
the rows for which no word can show it.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import Hazard
from coldline.rules.microstate import Level, Microstate
from coldline.rules.order import at_once, effects, owners, virtual_caches
from coldline.rules.order.alphabet import CHECKED, Act, OrderedLetter, Possible
from coldline.rules.order.machine import OrderMachine
from coldline.rules.order.microstate import Maintenance, OrderedMicrostate, Pending, StoreInFlight
from coldline.rules.profile import Profile

OF_ORDER, AT_ONCE = effects.ORDERED_EFFECTS, at_once.AT_ONCE
BY_OWNERS, BY_OWNERS_AT_ONCE = owners.OWNERS_ORDERED, owners.OWNERS_AT_ONCE
TABLES = {
    "order": (OF_ORDER, {}, True, False),
    "at once": (AT_ONCE, OF_ORDER, False, False),
    "owners": (BY_OWNERS, OF_ORDER, True, True),
    "owners at once": (BY_OWNERS_AT_ONCE, AT_ONCE, False, True),
}
"""Each table, the one that its other rows are taken from, and whether barriers and owners are followed."""

ROWS = [
    (name, act)
    for name, (table, source, _, _) in TABLES.items()
    for act in table
    if table[act] is not source.get(act)
]

ALSO_OTHERWISE = {
    ("order", Act.DC_CSW): "caches write back and drop lines on their own",
    ("at once", Act.DC_CSW): "caches write back and drop lines on their own",
}
"""The rows that may have the next one's content, and why. That is *dc cisw*, which may not reach the line either."""

CORES = (0, 1)
LOOKS = [OrderedLetter(act, core) for act in CHECKED if act not in virtual_caches.LABELLED for core in CORES]
SPECULATION = [
    Possible(),
    Possible(data=True),
    Possible(data=True, fetch=True, fetch_elsewhere=True, prefetch=True),
    Possible(fetch=True, fetch_elsewhere=True, prefetch=True),
    Possible(prefetch_past=True),
]
COMMON = [
    *(Act.READ, Act.WRITE, Act.WRITE_OTHER, Act.WRITE_NC, Act.READ_NC, Act.FETCH, Act.WALK, Act.WRITE_WT),
    *(Act.CACHEABLE_CIVAC, Act.CACHEABLE_CVAC, Act.CACHEABLE_CVAU, Act.DC_IVAC, Act.DC_CIVAC, Act.IC),
    *(Act.DSB, Act.ISB, Act.DMB, Act.SNOOPING_WRITE),
]
MODIFIES = (Act.WRITE, Act.CACHEABLE_CVAU, Act.DSB)
EXECUTES = (OrderedLetter(Act.DSB, 0), OrderedLetter(Act.DSB, 1), OrderedLetter(Act.ISB, 0))
"""Code that a core modifies, and what else has to be done before core 0 executes it."""

MOST_WORDS = 400


def word(seed: int, act: Act, *, gift: bool) -> list[OrderedLetter | Possible]:
    """Draw a word with an act in it once or twice, after a gift or not."""
    choose = random.Random(seed)
    found: list[OrderedLetter | Possible] = []
    if seed % 4 == 0:
        by = choose.choice(CORES)
        found = [SPECULATION[2], *(OrderedLetter(each, by) for each in MODIFIES), *EXECUTES]
        found.insert(choose.randint(1, len(found)), OrderedLetter(act, by))
        return [OrderedLetter(Act.GIVE, 0), *found] if gift else found
    for _ in range(choose.randint(3, 9)):
        event = OrderedLetter(choose.choice(COMMON), choose.choice((0, 0, 1)))
        found.append(choose.choice(SPECULATION) if choose.random() < 0.3 else event)
    for _ in range(choose.randint(1, 2)):
        found.insert(choose.randint(0, len(found)), OrderedLetter(act, choose.choice((0, 0, 1))))
    return [OrderedLetter(Act.GIVE, 0), *found] if gift else found


def seen(letters: list[OrderedLetter | Possible], *, barriers: bool, gifts: bool) -> Iterator[list[Hazard]]:
    """The hazards of every read, after each letter of a word, worked out anew."""
    machine = OrderMachine(Profile(), barriers=barriers, owners=gifts)
    state = machine.start([OrderedMicrostate()])
    for letter in letters:
        state = machine.step(state, letter)
        yield [machine.hazards(state, look) for look in LOOKS]


def samples() -> list[OrderedMicrostate]:
    """Microstates of which each effect has some where it differs from every other effect's."""
    lines = [
        Microstate(level1, fresh1, level2, fresh2, icache, fresh_i, fresh_memory)
        for level1, fresh1 in (
            (Level.INVALID, False),
            (Level.CLEAN, True),
            (Level.DIRTY, True),
            (Level.DIRTY, False),
        )
        for level2, fresh2 in ((Level.INVALID, False), (Level.CLEAN, False), (Level.DIRTY, True))
        for icache, fresh_i in ((False, False), (True, True))
        for fresh_memory in (False, True)
    ]
    queue = (Maintenance(Letter.DC_CVAC, True),)
    pendings = [
        Pending(),
        Pending(maintenance=queue),
        Pending(maintenance=(queue[0]._replace(ordered=True),)),
        Pending(maintenance=(queue[0]._replace(cacheable=False),)),
        Pending(instruction=True),
        Pending(store=StoreInFlight(True, False)),
        Pending(store=StoreInFlight(False, True)),
        Pending(store=StoreInFlight(True, False, ordered=True)),
        Pending(prefetched=False),
    ]
    return [
        OrderedMicrostate(line).having(core, pending)
        for line in lines
        for pending in pendings
        for core in CORES
    ]


def behaviour(effect: effects.OrderedEffect, microstates: list[OrderedMicrostate]) -> tuple[Any, ...]:
    """What an effect does to some microstates."""
    return tuple(frozenset(effect(m, core, Profile())) for m in microstates for core in CORES)


def another(table: dict[Act, effects.OrderedEffect], act: Act) -> effects.OrderedEffect:
    """The content of the next row that does something else."""
    rows = list(table)
    at = rows.index(act)
    microstates = samples()
    own = behaviour(table[act], microstates)
    return next(
        table[each] for each in (*rows[at + 1 :], *rows[:at]) if behaviour(table[each], microstates) != own
    )


@pytest.mark.long
@pytest.mark.parametrize(("name", "act"), ROWS, ids=lambda each: each if isinstance(each, str) else each.name)
def test_a_word_shows_each_row(name: str, act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    table, _, barriers, gifts = TABLES[name]
    new = another(table, act)
    for seed in range(40 if (name, act) in ALSO_OTHERWISE else MOST_WORDS):
        letters = word(seed, act, gift=gifts)
        as_it_is = list(seen(letters, barriers=barriers, gifts=gifts))
        with monkeypatch.context() as patched:
            patched.setitem(table, act, new)
            other = list(seen(letters, barriers=barriers, gifts=gifts))
        if other != as_it_is:
            assert (name, act) not in ALSO_OTHERWISE
            return
    assert (name, act) in ALSO_OTHERWISE
