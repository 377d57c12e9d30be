# SPDX-License-Identifier: GPL-2.0-or-later
"""Version 2 traces: both ways through the checker find what the explorer of order finds."""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from coldline.checker import Checker
from coldline.rules.order.maintenance_queue import MOST_PENDING
from tests.checker.test_fast_path import batch_of, by_stream, machine_of, read
from tests.helpers.checking import Found, check_text, found_by
from tests.helpers.effort import ASKED, examples
from tests.helpers.order_traces import draw_ordered, draw_worded
from tests.oracles.agree import reduced
from tests.oracles.explorer import Malformed
from tests.oracles.order_explorer import TooMany, explore

MOST = 20_000
"""Microstates of a byte; a trace for which the explorer needs more is left out."""

FIRST_SEED = 0 if ASKED is None else random.SystemRandom().randrange(1 << 40)


def explored(text: str) -> list[Found] | None:
    """The explorer's hazards; None if that takes too long."""
    try:
        return [Found(*hazard) for hazard in explore(text, most=MOST)]
    except TooMany:
        return None


def by_one_event(text: str) -> list[Found]:
    return sorted(check_text(text))


def by_compiled_code(text: str) -> list[Found]:
    profile, numbered = read(text)
    half = len(numbered) // 2
    return sorted(found_by(by_stream(profile, (numbered[:half], numbered[half:]))))


def by_turns(text: str) -> list[Found]:
    """Some events by compiled code, and some one by one."""
    profile, numbered = read(text)
    checker = Checker(profile)
    for start in range(0, len(numbered), 3):
        part = numbered[start : start + 3]
        if start % 2:
            machine_of(checker).feed(batch_of(part))
        else:
            for where, event in part:
                checker.event(event, where)
    return sorted(found_by(checker))


def most_pending(text: str) -> int:
    """The most data cache operations of a core, on any line, between its barriers."""
    core_of: dict[str, str] = {}
    pending: Counter[str] = Counter()
    most = 0
    for line in text.splitlines():
        first, *words = line.split()
        if first == "core":
            core_of |= dict.fromkeys(words[1:], words[0])
        core = core_of.get(first, first)
        if words == ["dsb"]:
            pending[core] = 0
        elif words and words[0] == "dc" and words[1] != "zva":
            pending[core] += 1
            most = max(most, pending[core])
    return most


def are_the_same(theirs: list[Found], ours: list[Found], text: str) -> bool:
    """Whether all is found, and no more but where a core has more pending than is followed one by one."""
    if most_pending(text) > MOST_PENDING:
        return set(theirs) <= set(ours)
    return sorted(theirs) == ours


def differs(text: str, ours: Callable[[str], list[Found]]) -> bool:
    try:
        theirs = explored(text)
    except Malformed:  # of a part of a trace
        return False
    return theirs is not None and not are_the_same(theirs, ours(text), text)


WAYS = {"events": by_one_event, "batches": by_compiled_code, "turns": by_turns}


def test_the_checker_finds_what_the_explorer_finds() -> None:
    compared = hazardous = 0
    for seed in range(FIRST_SEED, FIRST_SEED + examples(160)):
        text = draw_ordered(seed, most=8)
        theirs = explored(text)
        if theirs is None:
            continue
        compared += 1
        hazardous += bool(theirs)
        for way, ours in WAYS.items():
            if not are_the_same(theirs, ours(text), text):
                text = reduced(text, partial(differs, ours=ours))
                pytest.fail(
                    f"seed {seed}, by {way}:\n{text}explorer: {explored(text)}\nchecker: {ours(text)}"
                )
    assert compared > hazardous > compared // 20


def test_the_checker_finds_what_the_explorer_finds_with_further_words() -> None:
    compared = hazardous = 0
    for seed in range(FIRST_SEED, FIRST_SEED + examples(60)):
        text = draw_worded(seed)
        if "option vipt" in text and "option start" in text:
            continue  # that agents are on no core is then an error
        theirs = explored(text)
        if theirs is None:
            continue
        compared += 1
        hazardous += bool(theirs)
        for way, ours in WAYS.items():
            if not are_the_same(theirs, ours(text), text):
                text = reduced(text, partial(differs, ours=ours))
                pytest.fail(
                    f"seed {seed}, by {way}:\n{text}explorer: {explored(text)}\nchecker: {ours(text)}"
                )
    assert compared > hazardous > compared // 20
