# SPDX-License-Identifier: GPL-2.0-or-later
"""How text tells of many ranges that only the final read finds."""

import re
from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
from tests.helpers.command import HAZARD, Cli
from tests.helpers.guest_runs import mmu_on, tables
from tests.helpers.tiny_guests import RAM, code, mov

DATA = RAM + 0x800


@pytest.mark.parametrize("ranges", [3, 4, 5])
def test_many_ranges_that_the_guest_wrote_are_one_line(ranges: int, cli: Cli, tmp_path: Path) -> None:
    """It writes a word in every second line with its MMU off, and reads the first with its caches on."""
    stores = [a64.store(2, 2, 128 * each) for each in range(ranges)]
    program = code(mov(2, DATA), *(stores), mmu_on(), mov(3, DATA), a64.ldr(4, 3), a64.off())
    path = tmp_path / "Image"
    path.write_bytes(a64.image(program, {**tables({}), 0x800: bytes(0x400)}, size=0x1_4000))
    found = cli("boot", path, "--host", "bootloader", "--until", "off")
    assert found.status == HAZARD, found.err
    lines = re.findall("^final read: .*", found.out, re.MULTILINE)
    last = DATA + 128 * (ranges - 1) + 7
    if ranges < 4:
        assert len(lines) == ranges
    else:
        assert lines == [
            f"final read: stale-read at {ranges} ranges in {DATA:#x} to {last:#x} (kernel), {ranges} lines:"
            " the guest wrote them: hazards only where they are read"
        ]
