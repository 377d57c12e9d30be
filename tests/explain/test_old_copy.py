# SPDX-License-Identifier: GPL-2.0-or-later
"""Of when the bytes are that a bad read returns: the moment is named by the event before which the line had them."""

import io

from coldline.events import Op
from coldline.events.batch import Batch
from coldline.events.source import Batches
from coldline.explain.old_copy import OldCopy, old_copy
from coldline.first_pass import check
from coldline.rules import Profile
from coldline.trace.text import TextReader
from coldline.verdict import judge

DATA = frozenset({Op.DC_IVAC, Op.DC_CIVAC, Op.DC_ZVA})
CODE = frozenset({Op.IC_IVAU, Op.IC_IALLU, Op.IC_IALLUIS})

BUILT = """
dom0  map      0x40000000 0x1000 normal-wb
dom0  write    0x40000000 64
dom0  dc civac 0x40000000 64
dom0  unmap    0x40000000 0x1000
guest mmu      off
"""
ON = """
guest map      0x40000000 0x1000 normal-wb exec
guest mmu      on
"""


def told(text: str) -> list[OldCopy | None]:
    """The old copies of the hazards of a trace."""
    reader = TextReader(io.StringIO(text))
    source = Batches([Batch.of([each.event for each in reader])])
    judgement = judge(check(source, reader.profile), source, most=None, stories=10)
    return [old_copy(hazard.story, judgement.profile) for hazard in judgement.hazards]


def test_a_fill_before_the_store_past_it() -> None:
    """Level 2 may be filled until the mapping is removed, by event 3."""
    assert told(BUILT + "guest write 0x40000000 8\n" + ON + "guest read 0x40000000 8\n") == [
        OldCopy("level 2", 3, DATA)
    ]


def test_other_bytes_of_the_line_are_of_the_fill_too() -> None:
    """Event 5 stores next to the bad bytes, past the copy: the copy does not have that store either."""
    stores = "guest write 0x40000008 8\nguest write 0x40000000 8\n"
    (found,) = told(BUILT + stores + ON + "guest read 0x40000000 8\n")
    assert found == OldCopy("level 2", 3, DATA)


def test_memory_is_as_before_the_store_that_a_cache_has() -> None:
    (found,) = told(
        "a map 0x40000000 0x1000 normal-wb\nb map 0x40000000 0x1000 normal-nc\n"
        "a write 0x40000000 8\nb read 0x40000000 8\n"
    )
    assert found is not None
    assert (found.copy, found.before) == ("memory", 2)
    assert found.ends > DATA | {Op.DC_CVAC}


def test_a_store_through_the_caches_is_in_the_copy() -> None:
    """Event 1 fills and changes level 1; event 3 changes memory past it: the copy is as after event 1."""
    (found,) = told(
        "a map 0x40000000 0x1000 normal-wb\na write 0x40000000 8\na dc cvac 0x40000000 64\n"
        "b map 0x40000000 0x1000 normal-nc\nb write 0x40000000 8\na read 0x40000000 8\n"
    )
    assert found is not None
    assert found.copy in ("level 1", "level 2")
    assert found.before in (2, 3, 4)


def test_an_instruction_cache_is_as_before_the_store() -> None:
    (found,) = told(
        "a map 0x40000000 0x1000 normal-wb exec\na fetch 0x40000000 8\na write 0x40000000 8\n"
        "a dc cvau 0x40000000 64\na fetch 0x40000000 8\n"
    )
    assert found == OldCopy("the instruction cache", 2, CODE) or found == OldCopy(
        "the instruction cache", 1, CODE
    )


def test_no_story_tells_nothing() -> None:
    assert old_copy([], Profile()) is None
