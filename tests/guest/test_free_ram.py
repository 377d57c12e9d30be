# SPDX-License-Identifier: GPL-2.0-or-later
"""Placements for which Xen's rule finds no room: both sides of every boundary.

Expected values: Linux Documentation/arch/arm64/booting.rst, sections 2 and 4.
"""

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.helpers.tiny_guests as a64
from coldline.errors import PlanError
from coldline.guest import GuestOptions, make_plan
from coldline.guest.plan import Plan
from coldline.guest.reasons import Reason
from coldline.image import Kernel, KernelPiece
from coldline.support.frozen_record import replace
from tests.helpers.command import ERROR, INCONCLUSIVE, Cli
from tests.helpers.device_trees import GIB, KIB, MIB, get
from tests.helpers.tiny_guests import code, mov

RAM, RAM1 = 0x4000_0000, 0x2_0000_0000
DTB_PAGE = 4 * KIB
"""A generated tree of one core takes one page."""


class Zeros:
    """An initrd of any size; only its size is used."""

    def __init__(self, size: int) -> None:
        self.nbytes = size

    def __len__(self) -> int:
        return self.nbytes


def kernel(size: int = 32 * MIB, *, text_offset: int = 0, anywhere: bool = False) -> Kernel:
    return Kernel(
        path="Image",
        architecture="arm64",
        format="Image",
        pieces=(KernelPiece(text_offset, memoryview(bytes(4096)), size),),
        entry=text_offset,
        fixed=False,
        anywhere=anywhere,
    )


def plan(image: Kernel, memory: int, initrd: int | None = None) -> Plan:
    data = None if initrd is None else cast(memoryview, Zeros(initrd))
    return make_plan(image, GuestOptions(memory=memory, initrd=data))


def places(planned: Plan) -> dict[str, int]:
    return {segment.name: segment.address for segment in planned.segments}


def reasons(planned: Plan) -> dict[str, Reason]:
    return {segment.name: segment.reason for segment in planned.segments}


def refusal(*arguments: Any) -> str:
    with pytest.raises(PlanError) as caught:
        plan(*arguments)
    return re.sub(r"dtb \(\d+ bytes\)", "dtb", str(caught.value))


def test_right_behind_the_kernel_within_its_last_2_mib() -> None:
    """Xen reserves the kernel's last 2 MiB."""
    assert places(plan(kernel(3 * MIB), 4 * MIB)) == {"kernel": RAM, "dtb": RAM + 3 * MIB}
    assert reasons(plan(kernel(3 * MIB), 4 * MIB))["dtb"] is Reason.FREE


def test_to_the_last_page() -> None:
    """The last page can be used; Xen's rule would leave a page free."""
    fits = 64 * MIB - 32 * MIB - DTB_PAGE
    planned = plan(kernel(), 64 * MIB, fits)
    assert places(planned) == {"kernel": RAM, "initrd": RAM + 32 * MIB, "dtb": RAM + 64 * MIB - DTB_PAGE}
    assert reasons(planned)["dtb"] is Reason.BEHIND_INITRD
    assert refusal(kernel(), 64 * MIB, fits + 1) == (
        "initrd (33550337 bytes) with dtb does not fit: free RAM beside the kernel: 32 MiB at 0x42000000"
    )
    assert places(plan(kernel(64 * MIB - DTB_PAGE), 64 * MIB))["dtb"] == RAM + 64 * MIB - DTB_PAGE
    assert refusal(kernel(64 * MIB), 64 * MIB) == ("dtb does not fit: free RAM beside the kernel: nothing")


def test_below_the_kernel_to_the_last_page() -> None:
    full = kernel(4 * MIB - 0x80000, text_offset=0x80000)
    fits = 0x80000 - DTB_PAGE
    assert places(plan(full, 4 * MIB, fits)) == {"initrd": RAM, "dtb": RAM + fits, "kernel": RAM + 0x80000}
    assert "512 KiB at 0x40000000" in refusal(full, 4 * MIB, fits + 1)


def test_on_both_sides_of_the_kernel() -> None:
    image = kernel(3 * MIB, text_offset=0x80000)
    above = RAM + 0x80000 + 3 * MIB
    planned = plan(image, 4 * MIB, 0x80000)
    assert places(planned) == {"initrd": RAM, "kernel": RAM + 0x80000, "dtb": above}
    assert reasons(planned) == {"initrd": Reason.FREE, "kernel": Reason.OFFSET, "dtb": Reason.FREE}
    assert refusal(image, 4 * MIB, 0x80001) == (
        "initrd (524289 bytes) with dtb does not fit: free RAM beside the kernel: "
        "512 KiB at 0x40000000, 512 KiB at 0x40380000"
    )


def test_an_initrd_past_3_gib() -> None:
    most = 3 * GIB - 32 * MIB
    assert places(plan(kernel(), 6 * GIB, most - DTB_PAGE))["initrd"] == RAM + 32 * MIB
    # As large as all above the kernel: the device tree is then behind it no more.
    planned = plan(kernel(), 6 * GIB, most)
    assert places(planned) == {"kernel": RAM, "initrd": RAM + 32 * MIB, "dtb": RAM1}
    planned = plan(kernel(), 6 * GIB, most + 1)
    assert places(planned) == {"kernel": RAM, "initrd": RAM1, "dtb": RAM1 + most + DTB_PAGE}
    assert places(plan(kernel(), 6 * GIB, 3 * GIB)) == {"kernel": RAM, "initrd": RAM1, "dtb": RAM + 32 * MIB}
    assert refusal(kernel(), 6 * GIB, 3 * GIB + 1) == (
        "initrd (3221225473 bytes) with dtb does not fit: free RAM beside the kernel: "
        "3040 MiB at 0x42000000, 3 GiB at 0x200000000"
    )


def test_an_initrd_s_address_past_4_gib_is_in_the_device_tree() -> None:
    planned = plan(kernel(), 6 * GIB, 3 * GIB)
    dtb = bytes(planned.segments[1].data[:])
    assert int.from_bytes(get(dtb, "/chosen", "linux,initrd-start"), "big") == RAM1
    assert int.from_bytes(get(dtb, "/chosen", "linux,initrd-end"), "big") == RAM1 + 3 * GIB


def test_the_window_of_32_gib() -> None:
    """From 1 GiB to 33 GiB, the second bank starting at 8 GiB: 25 GiB and no more."""
    assert places(plan(kernel(), 64 * GIB, 25 * GIB))["initrd"] == RAM1
    assert refusal(kernel(), 64 * GIB, 25 * GIB + 1) == (
        "initrd (26843545601 bytes) with dtb does not fit: free RAM beside the kernel: "
        "3040 MiB at 0x42000000, 61 GiB at 0x200000000; the kernel and its initrd must be in one aligned window of "
        "32 GiB"
    )
    # A kernel that may go up takes its window with it: 8 GiB to 40 GiB, less the kernel.
    image = kernel(anywhere=True)
    assert places(plan(image, 64 * GIB, 25 * GIB))["kernel"] == RAM
    most = 32 * GIB - 32 * MIB
    planned = plan(image, 64 * GIB, most)
    assert places(planned) == {"kernel": RAM1, "initrd": RAM1 + 32 * MIB, "dtb": RAM1 + 32 * GIB}
    assert "one aligned window of 32 GiB" in refusal(image, 64 * GIB, most + 1)


def test_a_kernel_that_may_be_anywhere_goes_up_to_make_room() -> None:
    fits = 3 * GIB - DTB_PAGE
    image = kernel(anywhere=True)
    planned = plan(image, 4 * GIB, fits)
    assert places(planned) == {"initrd": RAM, "dtb": RAM + fits, "kernel": RAM1}
    assert planned.registers.pc == RAM1
    assert reasons(planned)["kernel"] is Reason.MOVED
    assert places(plan(image, 4 * GIB, 3 * GIB)) == {"initrd": RAM, "kernel": RAM1, "dtb": RAM1 + 32 * MIB}
    assert places(plan(image, 4 * GIB, 2 * GIB))["kernel"] == RAM
    assert "does not fit" in refusal(image, 4 * GIB, 3 * GIB + 1)
    assert "does not fit" in refusal(kernel(), 4 * GIB, fits)


def test_a_kernel_larger_than_the_first_bank() -> None:
    fits = kernel(3 * GIB - DTB_PAGE)
    assert places(plan(fits, 8 * GIB)) == {"kernel": RAM, "dtb": 4 * GIB - DTB_PAGE}
    whole = kernel(3 * GIB)
    assert places(plan(whole, 8 * GIB)) == {"kernel": RAM, "dtb": RAM1}
    larger = kernel(3 * GIB + 1)
    assert refusal(larger, 8 * GIB) == (
        "kernel (3221225473 bytes at 0x40000000) does not fit: RAM (3 GiB) ends at 0x100000000"
    )
    moved = replace(larger, anywhere=True)
    assert places(plan(moved, 8 * GIB)) == {"dtb": RAM, "kernel": RAM1}
    assert places(plan(replace(kernel(5 * GIB), anywhere=True), 8 * GIB)) == {"dtb": RAM, "kernel": RAM1}
    assert "does not fit" in refusal(replace(kernel(5 * GIB + 1), anywhere=True), 8 * GIB)


def test_text_offset_goes_along() -> None:
    moved = plan(kernel(text_offset=0x80000, anywhere=True), 4 * GIB, 3 * GIB - DTB_PAGE)
    assert places(moved)["kernel"] == RAM1 + 0x80000
    assert moved.registers.pc == RAM1 + 0x80000


def raw(*addresses: int) -> Kernel:
    return Kernel(
        path="raw",
        architecture="arm64",
        format="raw",
        pieces=tuple(KernelPiece(address, memoryview(bytes(4096)), 4096) for address in addresses),
        entry=addresses[0],
        fixed=True,
    )


def test_a_kernel_for_an_address_past_3_gib() -> None:
    planned = plan(raw(RAM1 + MIB), 4 * GIB, 4096)
    assert places(planned) == {"initrd": RAM, "dtb": RAM + 4096, "kernel": RAM1 + MIB}
    assert planned.registers.pc == RAM1 + MIB
    assert places(plan(raw(RAM + MIB, RAM1 + MIB), 4 * GIB)) == {
        "dtb": RAM,
        "kernel": RAM + MIB,
        "kernel-2": RAM1 + MIB,
    }
    assert refusal(raw(RAM1 + GIB), 4 * GIB) == (
        "raw: its piece of 4 KiB at 0x240000000 is outside the guest's RAM "
        "(0x40000000-0x100000000, 0x200000000-0x240000000)"
    )


@given(
    memory=st.integers(512, 1 << 21).map(lambda pages: pages * 4096),
    text_offset=st.integers(0, 511).map(lambda pages: pages * 4096),
    size=st.one_of(st.integers(4096, 16 * MIB), st.integers(4096, 6 * GIB)),
    initrd=st.none() | st.integers(1, 16 * MIB) | st.integers(1, 40 * GIB),
    anywhere=st.booleans(),
)
def test_what_is_placed_is_sound(
    memory: int, text_offset: int, size: int, initrd: int | None, anywhere: bool
) -> None:
    try:
        planned = plan(kernel(size, text_offset=text_offset, anywhere=anywhere), memory, initrd)
    except PlanError:
        return
    ordered = sorted((segment.address, segment.end) for segment in planned.segments)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ordered))
    for start, end in ordered:
        assert any(bank.base <= start and end <= bank.end for bank in planned.banks)
    at = places(planned)
    assert (at["kernel"] - text_offset) % (2 * MIB) == 0
    assert anywhere or at["kernel"] == RAM + text_offset
    if initrd is not None:
        low = min(at["kernel"], at["initrd"]) // GIB * GIB
        assert max(at["kernel"] + size, at["initrd"] + initrd) <= low + 32 * GIB


# -- end to end ----------------------------------------------------------------------------------------------


def test_a_kernel_past_3_gib_runs_beside_its_initrd_below(cli: Cli, tmp_path: Path) -> None:
    path, initrd, trace = tmp_path / "Image", tmp_path / "initrd", tmp_path / "a.trace"
    size = 64 * MIB
    body = code(mov(1, RAM + size - 8), a64.ldr(2, 1), a64.off())
    path.write_bytes(a64.image(body, image_size=3 * GIB + 4096))
    initrd.touch()
    os.truncate(initrd, size)
    found = cli("boot", path, "--initrd", initrd, "--memory", "8G", "--json", "--trace", trace)
    assert found.status == INCONCLUSIVE, found.err
    said = json.loads(found.out)
    assert said["entry"] == RAM1
    at = {segment["name"]: segment["address"] for segment in said["segments"]}
    assert at == {"initrd": RAM, "dtb": RAM + size, "kernel": RAM1}
    events = trace.read_text().splitlines()
    assert f"guest fetch {RAM1:#x} 4" in events
    assert f"guest read {RAM + size - 8:#x} 8" in events
    # Its header takes flag 3 away: it has to be where RAM starts.
    path.write_bytes(a64.image(body, image_size=3 * GIB + 4096, flags=0x2))
    refused = cli("boot", path, "--memory", "8G")
    assert refused.status == ERROR
    assert "does not fit: RAM (3 GiB) ends at 0x100000000" in refused.err
