# SPDX-License-Identifier: GPL-2.0-or-later
"""Each witness of a version 2 trace is a valid trace, can be replayed, and is a shortest one."""

import random
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from coldline.events import Op
from coldline.events.batch import Batch
from coldline.explain.history import History
from coldline.explain.ordered_cost import OrderedCosts
from coldline.explain.selection import Part
from coldline.rules.order.ordering import CoreAgents, Ordering
from coldline.rules.profile import Profile
from coldline.trace.text import parse_event
from tests.checker.test_words import BARRIERS
from tests.checker.test_words import CASES as WORDS
from tests.explain.test_witness import items, steps_of, told, witnesses
from tests.helpers.checking import check_text
from tests.helpers.effort import ASKED, LONG, examples
from tests.helpers.order_traces import draw_ordered, draw_worded
from tests.oracles.order_replay import BeyondError, fewest_steps, replay
from tests.oracles.replay import Refused, read
from tests.oracles.test_order_explorer import CASES, trace

BY_HAND = [trace(*parts) for cases in CASES.values() for _, parts, kinds in cases if kinds]
OF_WORDS = [
    trace("version 2", "option order", text)
    for cases in WORDS.values()
    for _, text, ordered, _ in cases
    if ordered
]
OF_WORDS += [
    "".join(f"{line}\n" for line in trace("version 2", text).splitlines() if line.split()[-1] not in BARRIERS)
    for cases in WORDS.values()
    for _, text, _, at_once in cases
    if at_once
]
FIRST_SEED = 0 if ASKED is None else random.SystemRandom().randrange(1 << 40)


def agents_of(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if not line.startswith("#") and line.strip()}


def assert_replays(text: str, most: int = 4) -> int:
    """Assert that each witness leads to its bad read as the rules allow, and return how many steps they have."""
    found = told(text, most=most)
    of_file = check_text(text)
    count = 0
    for hazard, witness in zip(found.hazards, witnesses(found), strict=True):
        # An agent on no known core, which does nothing to the line, may have an instruction cache that matters.
        left_out = agents_of(text) - agents_of(witness)
        try:
            replay(witness)
        except BeyondError:
            continue
        except Refused as error:
            if not left_out:
                pytest.fail(f"{error}\n{text}\n{witness}")
        entry = hazard.entry
        start = entry.address - entry.address % found.profile.line
        size = min(entry.size, start + found.profile.line - entry.address)
        assert read(witness)[0] == (entry.kind, entry.event.agent, entry.address, size)
        last = max(line.number for line in read(witness)[1])
        alone = {tuple(each[1:]) for each in check_text(witness) if each.line == last}
        in_file = {
            tuple(each[1:])
            for each in of_file
            if each.line == entry.where and 0 <= each.address - start < found.profile.line
        }
        assert alone == in_file or (left_out and alone < in_file), f"{text}\n{witness}"
        lines = [item for item in items(hazard) if isinstance(item, int)]
        assert lines == sorted(set(lines))
        assert lines[-1] == entry.where
        count += len(steps_of(hazard))
    return count


@pytest.mark.parametrize("part", range(4 if LONG else 1))
def test_witnesses_of_traces_worked_out_by_hand(part: int) -> None:
    for text in BY_HAND[part::4]:
        assert_replays(text, most=100)


@pytest.mark.long
def test_witnesses_of_traces_with_further_words() -> None:
    for text in OF_WORDS:
        assert_replays(text, most=100)


TAKEN_AWAY = """\
version 2
option order
core cpu1 b
core cpu2 c
b map 0x2000 0x1000 normal-wb
c map 0x2000 0x1000 normal-wb
b descriptor 0x2000 0x1000 invalid
b dsb
b tlbi 0x2000 0x1000
b dsb
b map 0x2000 0x1000 normal-wb
c write 0x2e40 8
b mmu off
b isb
b read 0x2e40 8
"""


def test_a_barrier_before_the_tlbi_that_it_is_for_is_kept() -> None:
    """Without it the old mapping has not ended, and the second map is an error."""
    assert_replays(TAKEN_AWAY)
    (witness,) = witnesses(told(TAKEN_AWAY, most=1))
    assert [line.split()[1] for line in witness.splitlines() if line.startswith("b ")].count("dsb") == 2


def test_any_witness_is_a_way_that_the_rules_allow() -> None:
    steps = 0
    for seed in range(FIRST_SEED, FIRST_SEED + examples(80, least=20)):
        steps += assert_replays(draw_ordered(seed, most=6))
    assert steps > 10


def test_any_witness_of_a_trace_with_further_words_is_a_way_that_the_rules_allow() -> None:
    steps = 0
    for seed in range(FIRST_SEED, FIRST_SEED + examples(160, least=40)):
        drawn = draw_worded(seed, most=14).splitlines()
        # A leak is no question of which copies are fresh: it is not replayed.
        lines = (line for line in drawn if not line.startswith("give"))
        text = "".join(f"{line}\n" for line in lines)
        if "option vipt" not in text or "option start" not in text:
            steps += assert_replays(text, most=2)
    assert steps > 5


def test_any_witness_has_the_fewest_steps() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + examples(80)):
        text = draw_ordered(seed, most=6)
        for hazard in islice(told(text, most=2).hazards, 2):
            entry = hazard.entry
            try:
                fewest = fewest_steps(text, entry.where, entry.kind, entry.address)
            except BeyondError:
                continue
            assert len(steps_of(hazard)) == fewest, text


def test_a_barrier_that_changes_a_line_lets_others_change_it_again() -> None:
    """After the first ISB the core may prefetch old bytes again, until the DSB; the second ISB drops those."""
    text = trace(
        *(
            "version 2",
            "option order",
            "core cpu0 a",
            "a map 0x1000 0x1000 normal-wb exec",
            "a fetch 0x1000 4",
        ),
        *("a write 0x1000 4", "a dc cvau 0x1000 4", "a dsb", "a ic ivau 0x1000 4", "a isb", "a dsb", "a isb"),
        *("a fetch 0x1000 4", "a write 0x1000 4", "a fetch 0x1000 4"),
    )
    (hazard,) = told(text).hazards
    lines = [item for item in items(hazard) if isinstance(item, int)]
    assert lines == list(range(4, 16))


def test_a_barrier_that_changed_nothing_is_looked_at_again_once_something_has_changed() -> None:
    """The DSB after the DC CIVAC completes it; of those before, the last ones change nothing."""
    words = ["map 0x1000 0x1000 normal-wb", "write 0x1000 8", *["dsb"] * 4, "dc civac 0x1000 64", "dsb"]
    events = [parse_event(f"cpu {each}".split(), frozenset(Op)) for each in words]
    ordering = Ordering((CoreAgents("cpu", ("cpu",)),), barriers=True)
    kept: list[int] = []
    ways = OrderedCosts(replace(Profile(), ordering=ordering), ["cpu"])
    history = History(ways, [0x1000], [], noted=lambda event, _: kept.append(event.number))
    history.feed(Part(Batch.of(events), np.arange(len(events))))
    assert kept[-2:] == [len(events) - 2, len(events) - 1]
    assert len(events) - 3 not in kept
