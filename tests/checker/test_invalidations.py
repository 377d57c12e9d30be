# SPDX-License-Identifier: GPL-2.0-or-later
"""Invalidations of all of an instruction cache, where each core has its own and nothing waits for barriers."""

import pytest

from coldline.checker import Checker
from coldline.checker.dense_rows import Rows
from coldline.rules.order.alphabet import Act
from coldline.rules.order.cores import CoreEvent, CoresMachine, Speculation
from coldline.rules.order.ordering import CoreAgents, Ordering
from coldline.rules.profile import Profile
from tests.checker.test_fast_path import read
from tests.checker.test_order import by_compiled_code, by_one_event

HEADER = ("version 2", "core cpu0 k", "core cpu1 l")
PAGES = (
    "k map 0x40000000 0x100000 normal-wb exec",
    "l map 0x40000000 0x100000 normal-wb exec",
    "k mmu on",
    "l mmu on",
    "k write 0x40000000 0x100000",
    "k dc cvau 0x40000000 0x100000",
    "k ic ialluis",
)
LINE = "0x40003040 64"
STORED = (f"k write {LINE}", f"k dc cvau {LINE}")


@pytest.mark.parametrize(
    ("lines", "hazards"),
    [
        # Arm ARM DDI 0487 D7.5.9.2: IC IALLUIS is of all cores of the domain, IC IALLU of one's own core.
        ((*STORED, "k ic ialluis", f"k fetch {LINE}", f"l fetch {LINE}"), []),
        ((*STORED, "k ic iallu", f"k fetch {LINE}"), []),
        ((*STORED, "k ic iallu", f"l fetch {LINE}"), ["stale-fetch"]),
        ((*STORED, "k ic iallu", "l ic iallu", f"l fetch {LINE}"), []),
        # What is stored after it needs another one.
        ((*STORED, "k ic ialluis", *STORED, f"k fetch {LINE}"), ["stale-fetch"]),
        ((*STORED, "k ic ialluis", *STORED, "k ic ialluis", f"k fetch {LINE}"), []),
        ((*STORED, "k ic iallu", *STORED, "k ic iallu", f"k fetch {LINE}"), []),
        # A second one does no more than the first, and no less if there is a change of a mapping between them.
        ((*STORED, "k ic ialluis", "k ic ialluis", f"k fetch {LINE}"), []),
        (
            (*STORED, "l unmap 0x40003000 0x1000", "k ic ialluis", "l map 0x40003000 0x1000 normal-wb exec",
             "l ic iallu", f"l fetch {LINE}"),
            [],
        ),
        # Level 1 has what was not cleaned to the point of unification: no invalidation helps.
        ((f"k write {LINE}", "k ic ialluis", f"k fetch {LINE}"), ["stale-fetch"]),
        # Whole pages, in which all lines are alike.
        (("k write 0x40000000 0x100000", "k dc cvau 0x40000000 0x100000", "k fetch 0x40010000 0x1000"),
         ["stale-fetch"]),
        (("k write 0x40000000 0x100000", "k dc cvau 0x40000000 0x100000", "k ic iallu", "k fetch 0x40010000 0x1000"),
         []),
    ],
)  # fmt: skip
def test_what_is_fetched_after_one(lines: tuple[str, ...], hazards: list[str]) -> None:
    text = "\n".join((*HEADER, *PAGES, *lines)) + "\n"
    for ways in (by_one_event, by_compiled_code):
        assert {found.kind for found in ways(text)} == set(hazards)


@pytest.mark.parametrize("owners", [False, True], ids=["freshness", "owners"])
def test_the_states_that_one_changes_are_those_that_it_leads_out_of(owners: bool) -> None:
    cores = tuple(CoreAgents(f"cpu{number}", (name,)) for number, name in enumerate("kl"))
    machine = CoresMachine(Profile(ordering=Ordering(cores)))
    acts = (Act.READ, Act.WRITE, Act.FETCH, Act.DC_CVAU, Act.DC_CIVAC, Act.WRITE_NC)
    letters: list[CoreEvent | Speculation] = [CoreEvent(act, core) for act in acts for core in (0, 1)]
    invalidations = [CoreEvent(act, core) for act in (Act.IC, Act.IC_LOCAL) for core in (0, 1)]
    letters += invalidations
    letters += [
        Speculation(),
        Speculation(True),
        Speculation(True, frozenset({0})),
        Speculation(True, frozenset({0, 1})),
    ]
    letters += [CoreEvent(Act.GIVE, 0)] * owners
    seen, waiting, changed = {0}, [0], 0
    while waiting and len(seen) < 400:
        state = waiting.pop()
        changes = any(machine.step(state, letter) != state for letter in invalidations)
        assert machine.is_changed_by_invalidation(state) == changes
        changed += changes
        found = {machine.step(state, letter) for letter in letters} - seen
        seen |= found
        waiting += sorted(found)
    assert 0 < changed < len(seen)


def test_one_of_nothing_new_looks_at_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hypervisor may invalidate at each of its entries, and most of memory is data."""
    stores = (f"k write {address:#x} 8" for address in range(0x40000000, 0x40100000, 0x1000))
    profile, numbered = read("\n".join((*HEADER, *PAGES, *stores, "k ic iallu", "k ic ialluis")) + "\n")
    checker = Checker(profile)
    for where, event in numbered[:-1]:
        checker.event(event, where)
    monkeypatch.setattr(Rows, "read", _refuse)
    where, event = numbered[-1]
    checker.event(event, where)


def _refuse(*_: object) -> None:
    raise AssertionError("pages are looked at")
