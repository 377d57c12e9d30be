# SPDX-License-Identifier: GPL-2.0-or-later
"""Random traces in which descriptors change and walks come again: what must hold between their verdicts."""

import random
import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from tests.helpers.order_changes import draw_changing
from tests.oracles.order_agents import WALKED
from tests.oracles.order_explorer import Malformed, TooMany, explore
from tests.oracles.order_reading import Reader
from tests.oracles.order_steps import ACCESSES
from tests.oracles.test_order_explorer import MOST, assert_plainly, bad_bytes, trial

SEEDS = range(0, 240, 3)
changing_traces = st.integers(0, 1 << 40).map(draw_changing)
"""A strategy: traces that `draw_changing` draws."""


@pytest.mark.long
def test_drawn_traces_are_of_every_verdict() -> None:
    found = Counter[str]()
    for seed in SEEDS:
        text = draw_changing(seed)
        assert text == draw_changing(seed)
        try:
            found.update({hazard.kind for hazard in explore(text, most=MOST)} or {"coherent"})
        except TooMany:
            continue
    kinds = ("coherent", "bbm", "lost-write", "stale-fetch", "stale-read")
    assert min(found[kind] for kind in kinds) >= len(SEEDS) // 10
    assert found["leak"]


def test_drawn_traces_are_of_every_state() -> None:
    found = Counter[str]()
    for seed in SEEDS:
        reader = Reader()
        states: set[str] = set()
        for _, _, touches in reader.events(draw_changing(seed)):
            agents = reader.by_name.values()
            pages = [page for agent in agents for page in agent.mapped.values()]
            beside = any(page.current and page.endings for page in pages)
            states |= {"beside"} if beside else set()
            states |= {"two are ending"} if any(len(page.endings) > 1 for page in pages) else set()
            states |= {"no TLB"} if any(page.current and not page.current.held for page in pages) else set()
            states |= {"an access beside"} if beside and touches and touches[0].action in ACCESSES else set()
            states |= {kind for kind in WALKED if any(agent.walked[kind] for agent in agents)}
            states |= {"a dsb of one core"} if any(touch.action == "dsb nsh" for touch in touches) else set()
        found.update(states)
    assert min(found.values()) >= len(SEEDS) // 20
    assert len(found) == 7, found


# -- what only adds hazards --------------------------------------------------------------------------------


def _instead(pattern: str, new: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, new, text, flags=re.MULTILINE)


def _walked(text: str) -> str:
    """Put a walk behind the second event of an agent that is no master, at a place that the trace has."""
    lines = text.splitlines()
    rng = random.Random(text)
    events = [at for at, line in enumerate(lines) if re.match(r"[abc] (isb|dsb|read|write|dc)", line)]
    places = re.findall(r"(?:read|write) (\S+ \S+)$", text, re.MULTILINE)
    if events and places:
        at = rng.choice(events)
        where = f"{rng.choice(places)} {rng.choice(('normal-wb', 'pou'))}"
        lines.insert(at + 1, f"{lines[at].split()[0]} walk {where}")
    return "\n".join(lines) + "\n"


def _as_many(changed: Callable[[str], str]) -> Callable[[str], str]:
    """Give a change that leaves a comment in place of each line that another change adds."""

    def change(text: str) -> str:
        lines = text.splitlines()
        for at, line in enumerate(changed(text).splitlines()):
            if lines[at : at + 1] != [line]:
                lines.insert(at, "#")
        return "\n".join(lines) + "\n"

    return change


_change = r"^(\w) descriptor (\w+ \w+) ([^i].*)$"

ONLY_ADDS: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "no tlbi": (str, _instead(r"^\w tlbi .*", "#")),
    "no dsb nsh": (str, _instead(r"^\w dsb nsh$", "#")),
    "dsb nsh instead of dsb": (str, _instead(r"^(\w) dsb$", r"\1 dsb nsh")),
    "no unmap and map, but a descriptor": (
        _instead(_change, r"\1 unmap \2\n\1 map \2 \3"),
        _instead(_change, r"#\n\1 descriptor \2 \3"),
    ),
    "a walk": (_as_many(_walked), _walked),
    "no isb": (str, _instead(r"^\w isb$", "#")),
    "another type beside the inner one": (_instead(r"(normal-\w+)/normal-\w+", r"\1"), str),
    "another type beside the outer one": (_instead(r"normal-\w+/(normal-\w+)", r"\1"), str),
}
"""Changes of a trace that keep its events in their lines, of which the second may only have more bad bytes."""


@pytest.mark.long
@pytest.mark.parametrize(("less", "more"), ONLY_ADDS.values(), ids=ONLY_ADDS)
def test_what_only_adds_hazards(less: Callable[[str], str], more: Callable[[str], str]) -> None:
    added = done = 0
    for seed in range(1000, 4000, 7):
        text = draw_changing(seed)
        if less(text) == more(text):
            continue
        try:
            few, many = (bad_bytes(change(text)) for change in (less, more))
        except (Malformed, UnsatisfiedAssumption):  # a map over what has not ended, or too many microstates
            continue
        assert few <= many, f"seed {seed}\n{less(text)}\n{more(text)}"
        added += few != many
        done += 1
        if done > 25 and added:
            return
    pytest.fail("no trace shows that it adds any")


@pytest.mark.long
def test_a_plainer_search_finds_the_same() -> None:
    done = 0
    for seed in range(5000, 5160, 4):
        text = draw_changing(seed, least=2, most=5, idioms=1)
        try:
            assert_plainly(re.sub("^option start .*", "#", text, flags=re.MULTILINE), 4)
        except UnsatisfiedAssumption:
            continue
        done += 1
    assert done > 20


@trial(30)
@given(changing_traces, st.sampled_from(["dsb", "dsb nsh", "dmb", "isb"]), st.data())
def test_a_barrier_only_takes_hazards_away(text: str, barrier: str, data: st.DataObject) -> None:
    """It comes behind an event of its agent, which has begun."""
    lines = text.splitlines()
    events = [at for at, line in enumerate(lines) if re.match(r"[abc] (isb|dsb|read|write|dc|tlbi)", line)]
    assume(events)
    at = data.draw(st.sampled_from(events)) + 1
    without, with_it = (
        "\n".join([*lines[:at], line, *lines[at:]]) for line in ("#", f"{lines[at - 1].split()[0]} {barrier}")
    )
    try:
        assert bad_bytes(with_it) <= bad_bytes(without)
    except Malformed:  # an access that only an old mapping or setting allows
        assume(False)
