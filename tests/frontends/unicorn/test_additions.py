# SPDX-License-Identifier: GPL-2.0-or-later
"""Operations that are added to a guest's code: their place among its events, which time, and what else changes."""

import pytest

import tests.helpers.tiny_guests as a64
import tests.helpers.tiny_guests_a32 as a32
from coldline.events import Event, Op, words
from coldline.frontends.unicorn.additions import Addition, CodePlace, by_place
from coldline.guest.plan import Registers
from tests.helpers.guest_runs import Ran, run_loaded
from tests.helpers.tiny_guests import ENTRY, RAM, Code, code

DATA = RAM + 0x1_0000
LINE = 64
TURNS = 5


def loop(times: int) -> Code:
    """Store, then load `times` times: the load is the instruction number `LOAD`, alone with its subtraction."""
    return code(
        a64.movz(2, DATA >> 16, 16),
        a64.movz(3, times),
        a64.store(3, 2),
        a64.ldr(1, 2),
        a64.subs(3, 3, 1),
        a64.b_ne(-2),
        a64.off(),
    )


STORE_AT, LOAD_AT = ENTRY + 8, ENTRY + 12


def run(program: Code, *additions: Addition, orders: bool = False) -> Ran:
    loaded = a64.image(program, {}, size=0x20000)
    registers = Registers(pc=RAM, general=(0, 0, 0, 0), pstate=0x3C5, sctlr=0x00C5_0078)
    return run_loaded(loaded, registers, core="armv8-a", additions=additions, orders=orders)


def clean(place: CodePlace, *more: Event) -> Addition:
    return Addition(place, (Event("guest", Op.DC_CVAC, DATA, LINE), *more))


CLEAN = f"guest dc cvac {DATA:#x} {LINE}"


def test_it_comes_just_before_its_instruction_the_time_that_was_asked_for() -> None:
    plain = run(loop(TURNS))
    for count in range(1, TURNS + 1):
        ran = run(loop(TURNS), clean(CodePlace((LOAD_AT,), count)))
        assert ran.outcome is not None
        assert ran.outcome.reached == (TURNS,)
        at = ran.events.index(CLEAN)
        reads = [event for event in ran.events[:at] if " read " in event]
        assert len(reads) == count - 1
        rest = [event for event in ran.events[at + 1 :] if " fetch " not in event]
        assert rest[0] == f"guest read {DATA:#x} 8"
        assert ran.fetched == plain.fetched
        assert ran.other == [
            *plain.other[: plain.other.index(rest[0]) + count - 1],
            CLEAN,
            *plain.other[plain.other.index(rest[0]) + count - 1 :],
        ]


def test_the_code_after_it_is_fetched_after_it() -> None:
    """As instructions that are not yet fetched may come from a cache that it invalidates."""
    ran = run(loop(1), clean(CodePlace((STORE_AT,))))
    at = ran.events.index(CLEAN)
    assert ran.events[at - 1].startswith(f"guest fetch {ENTRY:#x} 8")
    assert ran.events[at + 1].startswith(f"guest fetch {STORE_AT:#x} ")


def test_its_first_instruction_of_a_block_is_fetched_after_it() -> None:
    ran = run(loop(2), clean(CodePlace((LOAD_AT,), 2)))
    at = ran.events.index(CLEAN)
    assert ran.events[at + 1] == f"guest fetch {LOAD_AT:#x} 12"


def test_several_at_one_place_and_in_one_block_come_in_order() -> None:
    invalidate = Event("guest", Op.IC_IVAU, DATA + LINE, LINE)
    ran = run(loop(1), clean(CodePlace((LOAD_AT,)), invalidate), clean(CodePlace((STORE_AT,))))
    found = [event for event in ran.other if " dc " in event or " ic " in event or " write " in event]
    assert found == [CLEAN, f"guest write {DATA:#x} 8", CLEAN, f"guest ic ivau {DATA + LINE:#x} {LINE}"]
    assert ran.fetched == run(loop(1)).fetched


def test_a_place_that_is_reached_less_often_is_counted_and_adds_nothing() -> None:
    ran = run(loop(TURNS), clean(CodePlace((LOAD_AT,), TURNS + 1)), clean(CodePlace((0x4FFF_0000,))))
    assert ran.outcome is not None
    assert ran.outcome.reached == (TURNS, 0)
    assert ran.events == run(loop(TURNS)).events


def test_either_of_two_addresses_counts() -> None:
    ran = run(loop(TURNS), clean(CodePlace((0x4FFF_0000, LOAD_AT), 3)))
    assert ran.outcome is not None
    assert ran.outcome.reached == (TURNS,)
    assert ran.events.count(CLEAN) == 1


@pytest.mark.parametrize("high_water", range(1, 12))
def test_a_buffer_that_is_handed_over_at_the_place_counts_once(
    monkeypatch: pytest.MonkeyPatch, high_water: int
) -> None:
    """The emulator is stopped before a block whenever the buffer of events is full, and comes to it again."""
    monkeypatch.setattr(words, "HIGH_WATER", high_water)
    times = 100
    ran = run(loop(times), clean(CodePlace((LOAD_AT,), times)))
    assert ran.outcome is not None
    assert ran.outcome.reached == (times,)
    reads = [event for event in ran.events[ran.events.index(CLEAN) :] if " read " in event]
    assert len(reads) == 1


def test_a_barrier_is_an_event_where_barriers_are() -> None:
    added = clean(CodePlace((LOAD_AT,)), Event("guest", Op.DSB))
    assert [event for event in run(loop(1), added, orders=True).other if "dsb" in event] == ["guest dsb"]
    assert not [event for event in run(loop(1), added).other if "dsb" in event]


def test_an_invalidation_at_el1_cleans_as_the_guests_own_does() -> None:
    added = Addition(CodePlace((LOAD_AT,)), (Event("guest", Op.DC_IVAC, DATA, LINE),))
    assert f"guest dc civac {DATA:#x} {LINE}" in run(loop(1), added).events


@pytest.mark.parametrize("thumb", [False, True])
def test_aarch32(thumb: bool) -> None:
    if thumb:
        program = a32.thumb(code(a32.t_mov(2, 1), a32.t_mov(3, 2), a64.Insn("b .", 0xE7FE)))
        start, place = RAM, RAM + 4
    else:
        program = a32.image(code(a32.mov(2, DATA), a32.load(1, 2), a32.off()), {}, size=0x20000)
        start, place = RAM, RAM
    registers = Registers(
        pc=start, general=(0, 0, 0), pstate=0x1D3 | (0x20 if thumb else 0), sctlr=0x00C5_0078
    )
    plain = run_loaded(program, registers, core="armv7-a")
    ran = run_loaded(program, registers, core="armv7-a", additions=[clean(CodePlace((place,)))])
    assert plain.outcome is not None
    assert ran.outcome is not None
    assert (ran.outcome.reached, ran.outcome.end) == ((1,), plain.outcome.end)
    assert ran.fetched == plain.fetched if not thumb else CLEAN in ran.events
    assert [event for event in ran.other if event != CLEAN] == plain.other


HERE, THERE = CodePlace((0x40000100,)), CodePlace((0x40000200,))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            [(HERE, Op.DC_CVAC, 0x1040, 64), (HERE, Op.DC_CVAC, 0x1000, 64), (HERE, Op.DC_CVAC, 0x1100, 64)],
            ["dc cvac 0x1000 128; dc cvac 0x1100 64 at pc 0x40000100#1"],
        ),
        (
            [(HERE, Op.DC_CVAC, 0x1000, 64), (THERE, Op.DC_CVAC, 0x1040, 64)],
            ["dc cvac 0x1000 64 at pc 0x40000100#1", "dc cvac 0x1040 64 at pc 0x40000200#1"],
        ),
        # What is invalidated first is lost, and what is cleaned first is not: the order stays.
        (
            [(HERE, Op.DC_IVAC, 0x1000, 64), (HERE, Op.DC_CVAC, 0x1000, 128)],
            ["dc ivac 0x1000 64; dc cvac 0x1000 128 at pc 0x40000100#1"],
        ),
        (
            [(HERE, Op.DC_CVAC, 0x1040, 64), (HERE, Op.DSB, 0, 0), (HERE, Op.DC_CVAC, 0x1000, 64)],
            ["dc cvac 0x1040 64; dsb; dc cvac 0x1000 64 at pc 0x40000100#1"],
        ),
    ],
)
def test_additions_at_one_place_are_combined(
    given: list[tuple[CodePlace, Op, int, int]], said: list[str]
) -> None:
    additions = [Addition(place, (Event("cpu0", op, address, size),)) for place, op, address, size in given]
    assert list(map(str, by_place(additions))) == said


def test_each_addition_keeps_its_barriers() -> None:
    """Else the operation of the second one may not be complete."""
    place = CodePlace((0x4000_0000,))
    barrier = Event("cpu0", Op.DSB)
    additions = [
        Addition(place, (Event("cpu0", Op.DC_CIVAC, address, 64), barrier))
        for address in (0x4000_1000, 0x4000_1040)
    ]
    (both,) = by_place([*additions, additions[0]])
    assert both.events == (*additions[0].events, *additions[1].events)
