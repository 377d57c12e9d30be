# SPDX-License-Identifier: GPL-2.0-or-later
"""Placement and first registers.

Expected values: xen tools/libs/guest/xg_dom_arm.c (4.17); Linux Documentation/arch/arm64/booting.rst.
"""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldline.errors import PlanError
from coldline.guest import Bank, GuestOptions, Registers, Segment, layout, make_plan
from coldline.guest.placement import Placement, check_segments, place_banks, place_in_first_bank
from coldline.image import Kernel, KernelPiece

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
RAM = 0x40000000


def kernel(*, text_offset: int = 0, image_size: int = 32 * MIB, size: int = 4096) -> Kernel:
    return Kernel(
        path="Image",
        architecture="arm64",
        format="Image",
        pieces=(KernelPiece(text_offset, memoryview(bytes(size)), image_size),),
        entry=text_offset,
        fixed=False,
        page_size=4096,
        anywhere=True,
    )


def put(
    memory: int,
    *,
    text_offset: int = 0,
    image_size: int = 32 * MIB,
    initrd: int | None = None,
    dtb: int = 4 * KIB,
) -> Placement:
    return place_in_first_bank(
        place_banks(memory)[0],
        text_offset=text_offset,
        image_size=image_size,
        initrd_size=initrd,
        dtb_size=dtb,
    )


# Banks.


def test_the_map_is_the_public_header_s() -> None:
    named = {name: value for name, value in vars(layout).items() if isinstance(value, layout.AddressRange)}
    assert {name: (value.base, value.size) for name, value in named.items()} == {
        "VIRTIO_MMIO": (0x02000000, 0x00100000),
        "GICV2_DISTRIBUTOR": (0x03001000, 0x00001000),
        "GICV2_CPU_INTERFACE": (0x03002000, 0x00002000),
        "GICV3_DISTRIBUTOR": (0x03001000, 0x00010000),
        "GICV3_REDISTRIBUTORS": (0x03020000, 0x01000000),
        "ACPI": (0x20000000, 0x02000000),
        "PL011": (0x22000000, 0x00001000),
        "GRANT_TABLE": (0x38000000, 0x01000000),
        "MAGIC_PAGES": (0x39000000, 0x01000000),
        "RAM0": (0x40000000, 0xC0000000),
        "RAM1": (0x200000000, 0xFE00000000),
    }
    without_gicv2 = sorted(value for name, value in named.items() if not name.startswith("GICV2"))
    assert all(lower.end <= upper.base for lower, upper in itertools.pairwise(without_gicv2))


@pytest.mark.parametrize(
    ("memory", "banks"),
    [
        (2 * MIB, [(RAM, 2 * MIB)]),
        (512 * MIB, [(RAM, 512 * MIB)]),
        (3 * GIB, [(RAM, 3 * GIB)]),
        (3 * GIB + 4096, [(RAM, 3 * GIB), (0x200000000, 4096)]),
        (1019 * GIB, [(RAM, 3 * GIB), (0x200000000, 1016 * GIB)]),
    ],
)
def test_banks_fill_in_order(memory: int, banks: list[tuple[int, int]]) -> None:
    assert place_banks(memory) == tuple(Bank(base, size) for base, size in banks)


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (0, "memory of 0 bytes is not between 2 MiB and 1019 GiB"),
        (2 * MIB - 4096, "memory of 2044 KiB is not between 2 MiB and 1019 GiB"),
        (1019 * GIB + 4096, "memory of 1068498948 KiB is not between 2 MiB and 1019 GiB"),
        (-4096, "memory of -4096 bytes is not between 2 MiB and 1019 GiB"),
        (512 * MIB + 1, "memory of 536870913 bytes is not a multiple of 4 KiB"),
    ],
)
def test_memory_that_cannot_be(memory: int, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        place_banks(memory)
    assert str(caught.value) == words


# The rule.


def test_modules_at_128_mib_initrd_first_in_whole_pages() -> None:
    assert put(512 * MIB, text_offset=0x80000, initrd=5000, dtb=1) == Placement(
        kernel=RAM + 0x80000, initrd=RAM + 128 * MIB, dtb=RAM + 128 * MIB + 8192
    )
    assert put(512 * MIB).dtb == RAM + 128 * MIB
    assert put(512 * MIB).initrd is None


def test_bank_must_reach_128_mib_and_the_modules() -> None:
    assert put(128 * MIB + 12 * KIB, initrd=8 * KIB).initrd == RAM + 128 * MIB
    # One page less, and the top of the bank is the same less one page.
    assert put(128 * MIB + 8 * KIB, initrd=8 * KIB).initrd == RAM + 128 * MIB - 4 * KIB
    assert put(128 * MIB + 12 * KIB, initrd=8 * KIB + 1).initrd == RAM + 128 * MIB - 4 * KIB


def test_kernel_s_end_rounded_up_to_2_mib_must_be_below_128_mib() -> None:
    assert put(GIB, image_size=126 * MIB).dtb == RAM + 128 * MIB
    assert put(GIB, image_size=126 * MIB + 1).dtb == RAM + GIB - 4 * KIB
    assert put(GIB, image_size=125 * MIB, text_offset=MIB).dtb == RAM + 128 * MIB
    assert put(GIB, image_size=125 * MIB, text_offset=MIB + 4096).dtb == RAM + GIB - 4 * KIB


def test_top_of_the_bank_must_be_above_the_kernel_s_rounded_end() -> None:
    assert put(64 * MIB, initrd=32 * MIB - 8 * KIB).initrd == RAM + 32 * MIB + 4 * KIB
    with pytest.raises(PlanError) as caught:
        put(64 * MIB, initrd=32 * MIB - 4 * KIB)
    assert str(caught.value) == (
        "initrd (32764 KiB) with dtb (4 KiB) does not fit: 32 MiB of RAM (64 MiB, ends at 0x44000000) "
        "are left above the kernel (0x40000000-0x42000000, rounded up to 2 MiB) and 0 bytes below, "
        "and at least one page must stay free"
    )


def test_below_the_kernel_as_the_last_resort() -> None:
    full = {"image_size": 4 * MIB - 0x80000, "text_offset": 0x80000}
    assert put(4 * MIB, **full) == Placement(kernel=RAM + 0x80000, initrd=None, dtb=RAM + 0x7F000)
    assert put(4 * MIB, **full, initrd=0x80000 - 8 * KIB) == Placement(
        kernel=RAM + 0x80000, initrd=RAM + 0x1000, dtb=RAM + 0x7F000
    )
    with pytest.raises(PlanError, match=r"initrd \(508 KiB\) with dtb \(4 KiB\) does not fit"):
        put(4 * MIB, **full, initrd=0x80000 - 4 * KIB)


def test_modules_larger_than_the_address_of_the_bank_s_end() -> None:
    # In Xen, 0x60000000 - 0x80001000 wraps and is above the kernel.
    with pytest.raises(PlanError, match=r"initrd \(2 GiB\) with dtb \(4 KiB\) does not fit: 480 MiB of RAM"):
        put(512 * MIB, initrd=2 * GIB)


def test_kernel_must_fit() -> None:
    put(64 * MIB, image_size=62 * MIB - 0x80000, text_offset=0x80000)
    with pytest.raises(PlanError) as caught:
        put(64 * MIB, image_size=64 * MIB + 1)
    assert str(caught.value) == (
        "kernel (67108865 bytes at 0x40000000) does not fit: RAM (64 MiB) ends at 0x44000000"
    )
    with pytest.raises(PlanError, match=r"kernel \(8589934592 GiB at 0x40000000\) does not fit"):
        put(1019 * GIB, image_size=2**63)


def test_everything_goes_into_the_first_bank() -> None:
    with pytest.raises(PlanError, match="does not fit"):
        put(1019 * GIB, initrd=3 * GIB)
    assert put(1019 * GIB, image_size=GIB, initrd=GIB).initrd == 0x100000000 - GIB - 4 * KIB


PAGES = st.integers(512, 1 << 20).map(lambda pages: pages * 4096)
SIZES = st.one_of(st.integers(1, 16 * MIB), st.integers(1, 4 * GIB))


def meminit(memory: int, kernbase: int, kernend: int, modsize: int) -> int | None:
    """meminit's choice, in unsigned 64-bit arithmetic as in Xen."""
    base = RAM
    bank0end = base + min(memory, 3 * GIB)
    if bank0end >= base + (128 << 20) + modsize and kernend < base + (128 << 20):
        return base + (128 << 20)
    if (bank0end - modsize) % 2**64 > kernend:
        return (bank0end - modsize) % 2**64
    if (kernbase - base) % 2**64 > modsize:
        return kernbase - modsize
    return None


@given(
    memory=PAGES,
    text_offset=st.integers(0, 511).map(lambda pages: pages * 4096),
    image_size=SIZES,
    initrd=st.none() | SIZES,
    dtb=st.integers(1, 2 * MIB),
)
def test_a_placement_is_xen_s_and_sound_or_refused(
    memory: int, text_offset: int, image_size: int, initrd: int | None, dtb: int
) -> None:
    def pages(size: int) -> int:
        return -(-size // 4096) * 4096

    modsize = pages(initrd or 0) + pages(dtb)
    end = RAM + text_offset + image_size
    theirs = meminit(memory, RAM + text_offset, -(-end // (2 * MIB)) * 2 * MIB, modsize)
    bank = place_banks(memory)[0]
    try:
        ours = put(memory, text_offset=text_offset, image_size=image_size, initrd=initrd, dtb=dtb)
    except PlanError:
        assert theirs is None or theirs + modsize > bank.end or end > bank.end
        return
    assert theirs == (ours.dtb if initrd is None else ours.initrd)
    parts = [(ours.kernel, image_size), (ours.dtb, dtb)]
    if initrd is not None:
        assert ours.initrd is not None
        parts.append((ours.initrd, initrd))
    parts.sort()
    assert bank.base <= parts[0][0]
    assert parts[-1][0] + pages(parts[-1][1]) <= bank.end
    assert all(a + pages(size) <= b for (a, size), (b, _) in itertools.pairwise(parts))


# The last check.


def segment(name: str, address: int, size: int, data: bytes = b"") -> Segment:
    return Segment(name=name, address=address, data=memoryview(data), size=size)


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ([segment("kernel", RAM + 8, 4096)], "kernel (4 KiB at 0x40000008) is not aligned to pages of 4 KiB"),
        (
            [segment("kernel", RAM, 4095)],
            "kernel (4095 bytes at 0x40000000) is not aligned to pages of 4 KiB",
        ),
        (
            [segment("dtb", RAM, 4096, bytes(4097))],
            "dtb (4 KiB at 0x40000000) is smaller than its data (4097 bytes)",
        ),
        ([segment("dtb", RAM - 4096, 8192)], "dtb (8 KiB at 0x3ffff000) is not in RAM"),
        ([segment("dtb", RAM + 2 * MIB - 4096, 8192)], "dtb (8 KiB at 0x401ff000) is not in RAM"),
        (
            [segment("kernel", RAM, 8192), segment("dtb", RAM + 4096, 4096)],
            "dtb (at 0x40001000) overlaps kernel (0x40000000-0x40002000)",
        ),
        (
            [segment("dtb", RAM + 4096, 4096), segment("kernel", RAM, 4096)],
            "kernel (at 0x40000000) overlaps dtb (0x40001000-0x40002000)",
        ),
    ],
)
def test_segments_that_cannot_be(segments: list[Segment], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        check_segments([Bank(RAM, 2 * MIB)], segments)
    assert str(caught.value) == words


def test_segments_may_touch() -> None:
    check_segments(
        [Bank(RAM, 2 * MIB)], [segment("kernel", RAM, 4096), segment("dtb", RAM + 4096, 2 * MIB - 4096)]
    )


# The plan.


def test_a_plan() -> None:
    initrd = memoryview(b"initrd")
    image = kernel(text_offset=0x80000, image_size=20 * MIB + 1, size=5000)
    plan = make_plan(image, GuestOptions(memory=256 * MIB, initrd=initrd))
    dtb = plan.segments[2]
    assert plan.architecture == "arm64"
    assert plan.banks == (Bank(RAM, 256 * MIB),)
    assert plan.segments == (
        Segment("kernel", RAM + 0x80000, image.pieces[0].data, 20 * MIB + 4096),
        Segment("initrd", RAM + 128 * MIB, initrd, 4096),
        Segment("dtb", RAM + 128 * MIB + 4096, dtb.data, 4096),
    )
    assert dtb.data[:4] == bytes.fromhex("d00dfeed")
    assert plan.registers == Registers(
        pc=RAM + 0x80000, general=(dtb.address, 0, 0, 0), pstate=0x3C5, sctlr=0x00C50078
    )
    assert plan.exception_level == 1


def test_a_plan_for_el2() -> None:
    plan = make_plan(kernel(), GuestOptions(memory=256 * MIB, exception_level=2))
    assert (plan.registers.pstate, plan.registers.sctlr, plan.exception_level) == (0x3C9, 0x30C50830, 2)


@pytest.mark.parametrize("exception_level", [1, 2])
def test_mmu_and_caches_are_off(exception_level: int) -> None:
    sctlr = make_plan(
        kernel(), GuestOptions(memory=256 * MIB, exception_level=exception_level)
    ).registers.sctlr
    m, c, i = 1 << 0, 1 << 2, 1 << 12
    assert not sctlr & (m | c | i)


def test_segments_are_in_order_of_address_even_below_the_kernel() -> None:
    plan = make_plan(kernel(text_offset=0x80000, image_size=4 * MIB - 0x80000), GuestOptions(memory=4 * MIB))
    assert [segment.name for segment in plan.segments] == ["dtb", "kernel"]


def test_the_same_guest_is_the_same_plan() -> None:
    options = GuestOptions(memory=3 * GIB + MIB, vcpus=4, bootargs="a b")
    assert make_plan(kernel(), options) == make_plan(kernel(), options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vcpus": 0}, "0 vCPUs: a GICv3 supports 1 to 128"),
        ({"vcpus": 129}, "129 vCPUs: a GICv3 supports 1 to 128"),
        ({"vcpus": 9, "gic_version": 2}, "9 vCPUs: a GICv2 supports 1 to 8"),
        ({"gic_version": 4}, "invalid GIC version 4; choose from: 2, 3"),
        ({"exception_level": 3}, "exception level 3: an arm64 kernel starts at 1 or 2"),
        ({"initrd": memoryview(b"")}, "initrd is empty"),
        ({"bootargs": "a\0b"}, "bootargs have a NUL at byte 1"),
        ({"bootargs": "x" * 2048}, "bootargs are 2048 bytes; arm64 Linux accepts 2047"),
        (
            {"core_compatible": "arm,\0"},
            "invalid core 'arm,\\x00': it must be printable ASCII for a device tree",
        ),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        make_plan(kernel(), GuestOptions(memory=256 * MIB, **options))
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "options",
    [
        {"vcpus": 128},
        {"vcpus": 8, "gic_version": 2},
        {"bootargs": "x" * 2047},
        {"bootargs": "ü\udcff"},
    ],
)
def test_options_at_their_limits(options: dict[str, Any]) -> None:
    plan = make_plan(kernel(), GuestOptions(memory=256 * MIB, **options))
    assert plan.segments[-1].name == "dtb"
