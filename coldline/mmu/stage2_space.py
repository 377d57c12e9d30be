# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's intermediate physical addresses, whose pages the tables of a stage 2 map to pages of RAM.

A stage 2 has a record of its own, like that of a core's tables: its tables are followed in the same way. Each
intermediate page that it maps has a *slot*, with its present leaf and the one that was removed and waits for a TLB
invalidation. Slots come in chunks, as these addresses are sparse. The views that the stage 2 is below are those of
the guest's cores: they count their leaves by slots, and it says which page of RAM each slot is, and of which type.
"""

import ctypes
from typing import Final

from coldline.arm.stage2 import Stage2
from coldline.jit.shared_record import Fields, SharedRecord, words

CHUNK_SHIFT: Final = 25
"""log2 of the bytes of a chunk of intermediate addresses."""

CHUNK_PAGES: Final = 1 << (CHUNK_SHIFT - 12)

IPA_BITS: Final = 40
"""Bits of an intermediate address; one beyond them is never mapped."""

SPARE_CHUNKS: Final = 64
"""Chunks beyond those that all of RAM takes."""

MAX_USERS: Final = 256
"""Views below which one stage 2 can be."""

SLOT: Final = 8
"""Bytes of an entry of a slot."""

FRAME_COUNTS: Final = 16
"""Bytes of the counts of a page of RAM: `Leaves` of each type."""

STAGE2_FIELDS: Fields = words(
    # of a view
    "below",  # the record of the stage 2 that is below its tables, or 0
    "frames",  # its counts of each page of RAM: see `coldline.mmu.frames`
    "pinned",  # whether SCTLR's M, C and I say nothing, as with HCR_EL2.DC or FWB
    "off_type",  # the type of stage 1 of accesses with the MMU off, where it is pinned
    # of a stage 2
    "chunk_of",  # 1 + the number of the chunk of an intermediate address, four bytes by its upper bits; 0 for none
    "chunk_base",  # the address of each chunk
    "chunks",
    "most_chunks",
    "lost",  # leaves for which there was no chunk
    "grown",  # whether leaves of the views were not counted: there are new chunks, or their tables are elsewhere
    "awaited",  # a byte for each slot: whether a table of a view would be there, and nothing is
    "now",  # the present entry of each slot
    "old",  # the entry that was removed and waits for a TLB invalidation
    "olds",  # how many there are
    "old_first",  # the slots between which they are
    "old_end",
    "saved",  # the present entries, while all are found anew
    "mapped",  # slots that have a present entry
    "emptied",  # whether there was one, and there is none
    "users",  # the addresses of the views below which it is
    "user_count",
)
"""What the records of views and of stages 2 have for this."""


def chunk_limit(pages: int) -> int:
    """The number of chunks of a stage 2, from the number of RAM's pages."""
    return -(-pages // CHUNK_PAGES) + SPARE_CHUNKS


def make_stage2(record: SharedRecord) -> None:
    """Let a record with the fields of a view be that of a stage 2."""
    chunks = chunk_limit(record["pages"])
    record.allocate("chunk_of", 4 << (IPA_BITS - CHUNK_SHIFT))
    record.allocate("chunk_base", chunks * 8)
    for name in ("now", "old", "saved"):
        record.allocate(name, chunks * CHUNK_PAGES * SLOT)
    record.allocate("awaited", chunks * CHUNK_PAGES)
    record.allocate("users", MAX_USERS * 8)
    record["most_chunks"], record["old_first"] = chunks, (1 << 64) - 1


def set_forced(record: SharedRecord, forced: bool) -> None:
    """Say whether the attributes of a stage 2 are those of HCR_EL2.FWB."""
    record["stage2"] = Stage2.FWB.put(int(forced))


def put_below(view: SharedRecord, stage2: SharedRecord) -> None:
    """Let a stage 2 be below the tables of a view.

    Raises
    ------
    ValueError
        If it has as many views as it can have.
    """
    count = stage2["user_count"]
    if count == MAX_USERS:
        raise ValueError(f"a stage 2 is below {MAX_USERS} cores already")
    view.allocate("frames", view["pages"] * FRAME_COUNTS)
    view["below"] = stage2.pointer
    users = (ctypes.c_uint64 * MAX_USERS).from_buffer(stage2.array("users"))
    users[count] = view.pointer
    stage2["user_count"] = count + 1
