# SPDX-License-Identifier: GPL-2.0-or-later
"""Translations that are not followed: 52 bits of virtual address with 4 KiB pages (FEAT_LPA2, TCR_EL1.DS)."""

from pathlib import Path

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.events.batch import Batch
from coldline.frontends.qemu import Watch, read_command_line
from coldline.frontends.qemu.state import SPARE_ROWS
from tests.helpers import machines
from tests.helpers.machines import DATA, write_program
from tests.helpers.tiny_guests import DSB, ISB, RAM, code, ldr, mov, msr, off, subs
from tests.helpers.tiny_guests import sys as maintain

FIRST, SECOND, THIRD = RAM + 0x20000, RAM + 0x21000, RAM + 0x22000
DS, BITS = 1 << 59, 52
LOADS = SPARE_ROWS


def test_more_walks_than_rows(tmp_path: Path) -> None:
    """Each load walks, and none can be followed: the walks' events are handed over all the same."""
    tables = {
        FIRST - RAM: a64.words({0: a64.table(SECOND)}),
        SECOND - RAM: a64.words({0: a64.table(THIRD)}),
        THIRD - RAM: a64.words({1: a64.block(RAM) & ~a64.INNER_SHAREABLE}),
    }
    program = code(
        mov(1, a64.MAIR), msr("mair_el1", 1), mov(1, a64.tcr(size_bits=BITS) | DS), msr("tcr_el1", 1),
        mov(1, FIRST), msr("ttbr0_el1", 1), ISB, maintain("tlbi vmalle1"), DSB, ISB,
        mov(1, a64.SCTLR_OFF | a64.M | a64.C | a64.I), msr("sctlr_el1", 1), ISB, mov(2, DATA), mov(3, LOADS),
        ldr(4, 2), a64.add(2, 2, 32), subs(3, 3, 1),
        a64.b_ne(-3), off(),
    )  # fmt: skip
    words = [
        *machines.qemu(), "-M", "virt", "-cpu", "max", "-m", "64", "-display", "none", "-nic", "none",
        "-serial", "stdio", "-kernel", str(write_program(tmp_path / "program", program, more=tables)),
    ]  # fmt: skip
    count = 0

    def take(batch: Batch) -> None:
        nonlocal count
        count += len(batch)

    watch = Watch(read_command_line(words), start="cold")
    watch.run(take)
    assert watch.outcome.failure == ""
    assert watch.outcome.unknown == LOADS
    assert count > LOADS
