# SPDX-License-Identifier: GPL-2.0-or-later
"""How a boot with barriers says that a mapping ends: ``descriptor``, ``tlbi``, or an ``unmap`` at the DSB.

Which steps end it follows from the Arm ARM (DDI 0487 "TLB maintenance requirements and the TLB maintenance
instructions"; DDI 0406C B3.10.1). Each run's events are taken by the checker, too, which refuses one that cannot be.
"""

import pytest

import tests.helpers.tiny_guests as a64
from tests.frontends.unicorn.test_barriers import barrier
from tests.helpers.checking import check_text
from tests.helpers.guest_runs import NEVER, WINDOW, Ran
from tests.helpers.instruction_sets import INSTRUCTION_SETS, C, I, InstructionSet, M, Page
from tests.helpers.tiny_guests import Code, code

A64 = INSTRUCTION_SETS["a64"]
PAGE = WINDOW + 0x3000
INVALID, UNMAP = "guest descriptor 0x40203000 0x1000 invalid", "guest unmap 0x40203000 0x1000"
TLBI, TLBI_ALL = "guest tlbi 0x40203000 0x1000", "guest tlbi all"
CHANGED = "guest descriptor 0x40203000 0x1000 normal-nc"
NC = "guest-nc map 0x40203000 0x1000 normal-nc"
ISHST, NSH, NSHST, ISHLD = 10, 7, 6, 9


@pytest.fixture(params=INSTRUCTION_SETS.values(), ids=lambda each: each.name)
def each(request: pytest.FixtureRequest) -> InstructionSet:
    chosen: InstructionSet = request.param
    return chosen


def dsb(isa: InstructionSet, option: int = 15) -> Code:
    return [barrier(isa, "dsb", option)]


def only_tlbi(isa: InstructionSet, address: int | None) -> Code:
    """A TLBI without the barriers after it, of the core's own TLB."""
    return isa.tlbi(address)[:-2]


def run(isa: InstructionSet, *parts: Code, pages: dict[int, Page] | None = None) -> Ran:
    """Runs a program with the MMU on and a page of the window mapped."""
    tables = isa.tables(pages or {3: Page(PAGE, "normal-wb")})
    return isa.run(code(isa.prepare(), isa.sctlr(M | C | I), *parts, isa.off()), tables, orders=True)


def told(ran: Ran, *more: str) -> list[str]:
    """The events that say how mappings end, from the first one on, with barriers."""
    kept = [each for each in ran.events if each.split()[1] in ("descriptor", "tlbi", "unmap", "dsb", *more)]
    first = next(number for number, each in enumerate(kept) if "descriptor" in each or "unmap" in each)
    return kept[first:]


def hazards(ran: Ran) -> set[str]:
    """The kinds of hazard that the checker finds in a run's events."""
    text = "\n".join(["version 2", "option order", "core cpu0 guest guest-nc", *ran.events])
    return {found.kind for found in check_text(text)}


def removed(isa: InstructionSet, index: int = 3) -> Code:
    return isa.write_entry(index, 0)


@pytest.mark.parametrize("address", [PAGE, None], ids=["page", "all"])
def test_all_steps_are_events(each: InstructionSet, address: int | None) -> None:
    ran = run(each, removed(each), dsb(each), only_tlbi(each, address), dsb(each))
    assert told(ran) == [INVALID, "guest dsb", TLBI if address else TLBI_ALL, "guest dsb"]


def test_after_a_dsb_of_stores_an_unmap_says_the_end(each: InstructionSet) -> None:
    """It is enough for the walker, and no event of a trace."""
    ran = run(each, removed(each), dsb(each, ISHST), only_tlbi(each, PAGE), dsb(each))
    assert told(ran) == [INVALID, TLBI, "guest dsb", UNMAP]


@pytest.mark.parametrize("option", [None, ISHLD], ids=["none", "loads"])
def test_without_a_dsb_that_covers_the_store_the_mapping_goes_on(
    each: InstructionSet, option: int | None
) -> None:
    between = [] if option is None else dsb(each, option)
    ran = run(each, removed(each), between, only_tlbi(each, PAGE), dsb(each))
    assert told(ran) == [INVALID, "guest dsb"]
    again = run(each, removed(each), only_tlbi(each, PAGE), dsb(each), only_tlbi(each, PAGE), dsb(each))
    assert told(again) == [INVALID, "guest dsb", TLBI, "guest dsb"]


def test_without_the_last_dsb_the_mapping_goes_on(each: InstructionSet) -> None:
    ran = run(each, removed(each), dsb(each), only_tlbi(each, PAGE), dsb(each, ISHST))
    assert told(ran) == [INVALID, "guest dsb", TLBI]


def test_a_tlbi_of_another_page_does_not_end_it(each: InstructionSet) -> None:
    ran = run(each, removed(each), dsb(each), only_tlbi(each, PAGE + 0x1000), dsb(each))
    assert told(ran) == [INVALID, "guest dsb", "guest dsb"]


def test_a_dsb_of_this_core_alone_completes_a_tlbi_of_this_core_alone(each: InstructionSet) -> None:
    ran = run(each, removed(each), dsb(each, NSHST), only_tlbi(each, None), dsb(each, NSH))
    assert told(ran) == [INVALID, TLBI_ALL, "guest dsb nsh", UNMAP]


def test_it_does_not_complete_one_that_reaches_every_core() -> None:
    ran = run(A64, removed(A64), dsb(A64), [a64.sys("tlbi vmalle1is")], dsb(A64, NSH), dsb(A64))
    assert told(ran) == [INVALID, "guest dsb", TLBI_ALL, "guest dsb nsh", "guest dsb"]


def test_a_page_that_is_mapped_again_before_its_old_mapping_has_ended(each: InstructionSet) -> None:
    """The TLB may hold both; a trace has no mapping over one that is ending, so the old one ends in favour of it."""
    ran = run(each, removed(each), each.write_entry(3, each.page(Page(PAGE, "normal-wb"))), dsb(each))
    assert told(ran, "map") == [INVALID, UNMAP, "guest map 0x40203000 0x1000 normal-wb", "guest dsb"]
    later = run(
        each,
        *(removed(each), dsb(each), each.write_entry(3, each.page(Page(PAGE, "normal-wb")))),
        *(only_tlbi(each, PAGE), dsb(each)),
    )
    assert told(later, "map") == [
        *(INVALID, "guest dsb", UNMAP, "guest map 0x40203000 0x1000 normal-wb", "guest dsb"),
    ]


def test_with_another_type_both_mappings_are_there(each: InstructionSet) -> None:
    ran = run(
        each,
        *(removed(each), each.write_entry(3, each.page(Page(PAGE, "normal-nc"))), dsb(each)),
        *(only_tlbi(each, PAGE), dsb(each)),
    )
    assert told(ran, "map") == [
        *(INVALID, CHANGED, NC, "guest dsb", TLBI, "guest dsb", UNMAP),
    ]
    assert "bbm" in hazards(ran)


def test_a_valid_descriptor_that_is_replaced_ends_with_an_unmap(each: InstructionSet) -> None:
    ran = run(
        each,
        *(
            each.write_entry(3, each.page(Page(PAGE, "normal-nc"))),
            dsb(each),
            only_tlbi(each, PAGE),
            dsb(each),
        ),
    )
    assert told(ran, "map") == [CHANGED, NC, "guest dsb", "guest dsb", UNMAP]
    assert hazards(ran) == {"bbm"}


def test_a_change_that_is_made_as_it_should_be(each: InstructionSet) -> None:
    ran = run(
        each,
        *(removed(each), dsb(each), only_tlbi(each, PAGE), dsb(each)),
        *(each.write_entry(3, each.page(Page(PAGE, "normal-nc"))), dsb(each)),
    )
    assert told(ran, "map") == [INVALID, "guest dsb", TLBI, "guest dsb", NC, "guest dsb"]
    assert hazards(ran) == set()


def test_what_is_changed_back_is_changed_twice(each: InstructionSet) -> None:
    nc, wb = (each.page(Page(PAGE, kind)) for kind in ("normal-nc", "normal-wb"))
    ran = run(each, each.write_entry(3, nc), each.write_entry(3, wb))
    assert told(ran, "map") == [
        *(CHANGED, NC, "guest-nc descriptor 0x40203000 0x1000 normal-wb"),
        *(UNMAP, "guest map 0x40203000 0x1000 normal-wb"),
    ]
    assert hazards(ran) == {"bbm"}


@pytest.mark.parametrize(
    "new",
    [
        Page(PAGE, "normal-wb", never=False),
        Page(PAGE + 0x1000, "normal-nc"),
        Page(PAGE + 0x1000, "normal-wb"),
        Page(PAGE, "normal-wb"),
    ],
    ids=["permissions", "another page of another type", "another page", "nothing"],
)
def test_changes_that_are_none_of_the_type(each: InstructionSet, new: Page) -> None:
    ran = run(each, each.write_entry(3, each.page(new)), dsb(each), only_tlbi(each, PAGE), dsb(each))
    assert not any("descriptor" in event for event in ran.events)
    assert hazards(ran) == set()


def test_another_output_address_of_the_same_type(each: InstructionSet) -> None:
    """The old page ends at the DSB, and the new one is there from the store on: no `bbm` is looked for."""
    other = "guest map 0x40204000 0x1000 normal-wb"
    ran = run(
        each,
        *(each.write_entry(3, each.page(Page(PAGE + 0x1000, "normal-wb"))), dsb(each)),
        *(only_tlbi(each, PAGE), dsb(each)),
    )
    assert told(ran, "map") == [UNMAP]
    assert ran.events.index(other) < ran.events.index(UNMAP)
    assert hazards(ran) == set()


@pytest.mark.parametrize("bit", [55, 11], ids=["for software", "nG"])
def test_a_descriptor_of_the_same_type_and_output(bit: int) -> None:
    """The descriptor is another one, and the mapping is the same."""
    new = A64.page(Page(PAGE, "normal-wb")) ^ 1 << bit
    ran = run(A64, A64.write_entry(3, new), dsb(A64), only_tlbi(A64, PAGE), dsb(A64))
    assert not any("descriptor" in event or "unmap" in event for event in ran.events)
    assert hazards(ran) == set()


def as_block(memory_type: str) -> Code:
    """Put a block of 2 MiB in the place of the window's table: level 2's second entry."""
    attributes = {"normal-wb": a64.WB, "normal-nc": a64.NC}[memory_type]
    return stored(a64.block(WINDOW, attributes, NEVER))


def as_table() -> Code:
    return stored(a64.table(a64.RAM + 0x12000))


def stored(descriptor: int) -> Code:
    return code(a64.mov(2, a64.RAM + 0x11000 + 8), a64.mov(4, descriptor), a64.store(4, 2, 8))


@pytest.mark.parametrize("memory_type", ["normal-wb", "normal-nc"])
def test_a_block_takes_a_tables_place_and_a_table_the_blocks(memory_type: str) -> None:
    """The page is in both; no `bbm` is looked for, and what only the block maps ends after the last TLBI."""
    ended = code(dsb(A64), only_tlbi(A64, None), dsb(A64))
    ran = run(A64, as_block(memory_type), ended, as_table(), ended)
    agent = "guest-nc" if memory_type == "normal-nc" else "guest"
    kept = [each for each in ran.events if each.split()[1] in ("map", "unmap", "descriptor")]
    mapped = [each for each in kept if each.startswith(f"{agent} map") and memory_type in each]
    assert mapped, kept
    pages: dict[int, str] = {}
    for each in kept:
        who, what, base, size, *_ = each.split()
        for page in range(int(base, 0), int(base, 0) + int(size, 0), 0x1000):
            if who == agent and what == "map":
                pages[page] = who
            elif who == agent and what == "unmap":
                pages.pop(page, None)
    left = {page for page in pages if WINDOW <= page < WINDOW + 0x20_0000}
    assert left == ({PAGE} if memory_type == "normal-wb" else set())
    assert hazards(ran) == set()


def test_another_virtual_address_of_another_type_is_no_change(each: InstructionSet) -> None:
    ran = run(each, removed(each), each.write_entry(4, each.page(Page(PAGE, "normal-nc"))), dsb(each))
    assert told(ran, "map") == [INVALID, NC, "guest dsb"]
    assert hazards(ran) == set()


def test_with_the_mmu_off_no_tlb_has_it(each: InstructionSet) -> None:
    tables = each.tables({3: Page(PAGE, "normal-wb")})
    change = each.write_entry(3, each.page(Page(PAGE, "normal-nc")))
    program = code(
        each.prepare(), each.sctlr(M | C | I), each.sctlr(0), change, each.sctlr(M | C | I), each.off()
    )
    ran = each.run(program, tables, orders=True)
    assert not any("descriptor" in event for event in ran.events)
    assert "bbm" not in hazards(ran)


def test_a_page_that_is_mapped_twice_ends_with_its_last_leaf(each: InstructionSet) -> None:
    """The TLBI names the page once it has reached all that was removed there."""
    pages = {3: Page(PAGE, "normal-wb"), 4: Page(PAGE, "normal-wb")}
    first = run(each, removed(each), dsb(each), only_tlbi(each, PAGE), dsb(each), pages=pages)
    assert not any("descriptor" in event or "tlbi" in event or "unmap" in event for event in first.events)
    both = run(
        each,
        *(removed(each), removed(each, 4), dsb(each), only_tlbi(each, PAGE)),
        *(only_tlbi(each, PAGE + 0x1000), dsb(each)),
        pages=pages,
    )
    assert told(both) == [INVALID, "guest dsb", TLBI, "guest dsb"]


def test_a_block_is_all_its_pages() -> None:
    program = code(
        *(a64.mov(2, a64.RAM + 0x11000 + 8 * 2), a64.mov(4, 0), [a64.store(4, 2)], dsb(A64)),
        *(only_tlbi(A64, WINDOW + 0x20_0000), dsb(A64)),
    )
    data = A64.tables({3: Page(PAGE, "normal-wb")})
    data[0x11000] = a64.words(
        {
            0: a64.block(a64.RAM),
            1: a64.table(a64.RAM + 0x12000),
            2: a64.block(a64.RAM + 0x20_0000, a64.WB, NEVER),
        }
    )
    ran = A64.run(code(A64.prepare(), A64.sctlr(M | C | I), program, A64.off()), data, orders=True)
    # The page at PAGE has another leaf.
    assert told(ran) == [
        "guest descriptor 0x40200000 0x3000 invalid",
        "guest descriptor 0x40204000 0x1fc000 invalid",
        "guest dsb",
        "guest tlbi 0x40200000 0x3000",
        "guest tlbi 0x40204000 0x1fc000",
        "guest dsb",
    ]


def test_an_unlinked_table_ends_with_unmaps_at_the_dsb() -> None:
    unlinked = code(a64.mov(2, a64.RAM + 0x11000 + 8), a64.mov(4, 0), [a64.store(4, 2)])
    ran = run(A64, unlinked, dsb(A64), only_tlbi(A64, PAGE), dsb(A64))
    assert told(ran) == [UNMAP]
    assert ran.events[ran.events.index(UNMAP) - 1] == "guest dsb"
    without = run(A64, unlinked, only_tlbi(A64, PAGE), dsb(A64))
    assert not any("unmap" in event for event in without.events)
