# SPDX-License-Identifier: GPL-2.0-or-later
"""Translations that are not followed: their last table is outside of RAM, in the second flash of ``virt``."""

from pathlib import Path

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.events.batch import Batch
from coldline.frontends.qemu import Watch, read_command_line
from coldline.frontends.qemu.state import SPARE_ROWS
from tests.helpers import machines
from tests.helpers.guest_runs import LEVEL1, LEVEL2, WINDOW, mmu_on
from tests.helpers.machines import write_program
from tests.helpers.tiny_guests import RAM, code, ldr, mov, off, subs

FLASH, REGION = 0x0400_0000, 2 << 20
LOADS, STEP = SPARE_ROWS, 32


def test_more_walks_than_rows(tmp_path: Path) -> None:
    """Each load walks, and none can be followed: the walks' events are handed over all the same."""
    regions = range(WINDOW, WINDOW + LOADS * STEP, REGION)
    pages = [a64.page(at) for region in regions for at in range(region, region + REGION, 0x1000)]
    (tmp_path / "flash").write_bytes(b"".join(each.to_bytes(8, "little") for each in pages))
    tables = {
        LEVEL1: a64.words({0: a64.block(0, a64.DEVICE), 1: a64.table(RAM + LEVEL2)}),
        LEVEL2: a64.words({
            0: a64.block(RAM),
            **{1 + index: a64.table(FLASH + 0x1000 * index) for index in range(len(regions))},
        }),
    }  # fmt: skip
    program = code(
        mmu_on(), mov(2, WINDOW), mov(3, LOADS),
        ldr(4, 2), a64.add(2, 2, STEP), subs(3, 3, 1),
        a64.b_ne(-3), off(),
    )  # fmt: skip
    file = write_program(tmp_path / "program", program, more=tables)
    words = machines.machine(
        machines.qemu(), file, "-device", f"loader,file={tmp_path / 'flash'},addr={FLASH:#x}"
    )
    count = 0

    def take(batch: Batch) -> None:
        nonlocal count
        count += len(batch)

    watch = Watch(read_command_line(words), start="cold")
    watch.run(take)
    assert watch.outcome.failure == ""
    assert watch.outcome.unknown == LOADS
    assert count > LOADS
