# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots of Debian's armhf kernels, whose zImages move and unpack themselves.

The start of each always runs; whole boots take a minute each, and run with COLDLINE_REQUIRE=all.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.requirements import require

COHERENT, HAZARD, INCONCLUSIVE = 0, 1, 3
PSCI_VERSION = 0x8400_0000
PLACED = 0x4000_8000
MOVED_TO = 0x4020_8000
"""The address that Debian's kernels unpack to: zreladdr, 2 MiB and 32 KiB above their rounded start of RAM."""

FLAVOURS = ("armmp", "armmp-lpae")
"""Short descriptors, long descriptors."""

Run = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="session")
def debian_armhf_kernels() -> dict[str, Path]:
    """Debian's current kernels by flavour."""
    from testbed.packages import apt, debian, kernels

    found = {}
    try:
        for flavour in FLAVOURS:
            binary = debian.current_kernel("armhf", flavour).binary
            folder = debian.packages("armhf", [binary])[binary]
            found[flavour] = kernels.kernel_file(folder, kernels.release_of(binary))
    except apt.FetchError as error:
        require(False, f"no Debian kernels for armhf: {error}")
    return found


@pytest.mark.long
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_zimage_in_its_own_way_moves_first(
    boot: Run, debian_armhf_kernels: dict[str, Path], flavour: str
) -> None:
    """Xen places it where it unpacks to, so with caches off it copies itself away and cleans the copy."""
    kernel = debian_armhf_kernels[flavour]
    status, document = boot(kernel, "--memory", "256M", "--until", "mmu")
    assert (status, document["verdict"], document["end"]) == (INCONCLUSIVE, "inconclusive", "mmu")
    assert document["entry"] == PLACED
    assert PLACED + kernel.stat().st_size > MOVED_TO
    assert document["accesses"] > kernel.stat().st_size // 4


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_zimage_elsewhere_need_not_move(
    boot: Run, debian_armhf_kernels: dict[str, Path], flavour: str
) -> None:
    at = ("--arch", "arm32", "--load", "0x44000000", "--entry", "0x44000000")
    status, document = boot(debian_armhf_kernels[flavour], "--memory", "256M", *at, "--until", "mmu")
    assert (status, document["end"], document["entry"]) == (INCONCLUSIVE, "mmu", 0x4400_0000)
    assert document["accesses"] < 100_000


def test_a_zimage_that_nobody_cleaned_is_read_wrong_from_its_first_instruction(
    boot: Run, debian_armhf_kernels: dict[str, Path]
) -> None:
    arguments = (debian_armhf_kernels["armmp-lpae"], "--strategy", "none", "--until", "mmu", "--hazards", 1)
    status, document = boot(*arguments)
    assert status == HAZARD
    first = document["hazards"][0]
    assert (first["kind"], first["address"], first["pc"]) == ("stale-fetch", PLACED, PLACED)


def test_it_unpacks_itself_through_its_caches(boot: Run, debian_armhf_kernels: dict[str, Path]) -> None:
    """A part of the decompression, with caches on, is coherent."""
    status, document = boot(debian_armhf_kernels["armmp"], "--memory", "256M", "--until", "20000000")
    assert (status, document["verdict"], document["end"]) == (COHERENT, "coherent", "instructions")
    assert document["accesses"] > 5_000_000


@pytest.mark.long
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_whole_boot(boot: Run, debian_armhf_kernels: dict[str, Path], flavour: str) -> None:
    """From entry through decompression into the kernel, its MMU and caches on, to its first PSCI call."""
    arguments = (debian_armhf_kernels[flavour], "--memory", "256M", "--append", "earlycon=pl011,0x22000000")
    _, document = boot(*arguments, "--hazards", 0)
    assert (document["end"], document["psci"][0]) == ("psci", PSCI_VERSION)
    assert document["instructions"] > 1_900_000_000
    assert document["accesses"] > 600_000_000
    assert document["page_crossings"] == 0
    assert re.search(r"Linux version 6\.", document["console"])
