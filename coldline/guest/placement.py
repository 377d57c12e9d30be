# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen's placement rule for a guest's RAM, with overflow checks.

Source: xen tools/libs/guest/xg_dom_arm.c (4.17), meminit. Xen's sums are unsigned and can wrap, which puts modules
larger than the end of bank 0 far outside. Xen also chooses a place below the kernel and then refuses it, as it
allocates segments in ascending order. Here nothing wraps, and the place below the kernel works.
"""

import itertools
from collections.abc import Sequence

from coldline.errors import PlanError
from coldline.guest.layout import RAM_BANKS, AddressRange, exact_size_text, round_up
from coldline.guest.plan import Bank, Segment
from coldline.guest.reasons import Reason
from coldline.support.frozen_record import Record, field
from coldline.support.units import KIB, MIB, PAGE_SIZE

MIN_MEMORY = 2 * MIB
"""Bytes: the block that a kernel's base is aligned to."""

_KERNEL_ALIGNMENT = 2 * MIB
_MODULES_AT = 128 * MIB
"""Preferred place of the modules, in bytes from the start of RAM."""

_FIRST_TABLES_END = 32 * KIB
"""Bytes at the start of RAM where an arm32 kernel creates its first tables (linux arch/arm/kernel/head.S
(6.1), swapper_pg_dir)."""


class Placement(Record, kw_only=True):
    """The guest physical addresses of the kernel and the modules, and the reasons for them.

    `initrd` is None without an initrd. `reason` is that of the first module, `dtb_reason` that of the device tree.
    """

    kernel: int
    initrd: int | None
    dtb: int
    reason: Reason = field(default=Reason.UNSAID, compare=False)
    dtb_reason: Reason = field(default=Reason.UNSAID, compare=False)


def place_banks(
    memory: int, rooms: Sequence[AddressRange] = RAM_BANKS, least: int = MIN_MEMORY
) -> tuple[Bank, ...]:
    """Return the banks for `memory` bytes of RAM; each window in `rooms` is filled before the next.

    Raises
    ------
    PlanError
        If `memory` is not a multiple of 4 KiB, is less than `least`, or does not fit into the windows.
    """
    if memory % PAGE_SIZE:
        raise PlanError(f"memory of {memory} bytes is not a multiple of {exact_size_text(PAGE_SIZE)}")
    most = sum(room.size for room in rooms)
    if not least <= memory <= most:
        raise PlanError(
            f"memory of {exact_size_text(memory)} is not between {exact_size_text(least)} "
            f"and {exact_size_text(most)}"
        )
    banks: list[Bank] = []
    for room in rooms:
        if memory:
            reason = Reason.NEXT_RAM if banks else Reason.FIRST_RAM
            banks.append(Bank(room.base, min(memory, room.size), reason))
            memory -= banks[-1].size
    return tuple(banks)


def place_in_first_bank(
    ram: Bank,
    *,
    text_offset: int,
    image_size: int,
    initrd_size: int | None,
    dtb_size: int,
    low_memory: int | None = None,
) -> Placement:
    """Place the kernel, the initrd and the device tree in the first bank.

    The kernel goes `text_offset` above the start of RAM. The modules are the initrd and, above it, the device
    tree, each in whole pages. They go 128 MiB above the start of RAM, if they fit there and the kernel's
    end, rounded up to 2 MiB, is below that; else to the top of the bank, if that is above the kernel's rounded end;
    else directly below the kernel, if at least a page stays free there.

    An arm32 kernel can access only its low memory at first, so the end of low memory counts as the bank's end. Its
    first tables are in the first 32 KiB of RAM, so nothing else goes there.

    Parameters
    ----------
    ram : Bank
        The first bank, on a 2 MiB boundary.
    text_offset, image_size : int
        In bytes, as in `coldline.image.Kernel`.
    initrd_size : int or None
        Size in bytes; None without an initrd.
    dtb_size : int
        Size in bytes.
    low_memory : int or None
        Size of the start of RAM that must contain the modules; None for the whole bank.

    Raises
    ------
    PlanError
        If something does not fit.
    """
    kernel = ram.base + text_offset
    kernel_end = kernel + round_up(image_size, PAGE_SIZE)
    if kernel_end > ram.end:
        raise PlanError(
            f"kernel ({exact_size_text(image_size)} at {kernel:#x}) does not fit: "
            f"RAM ({exact_size_text(ram.size)}) ends at {ram.end:#x}"
        )
    modules, reason = _place_modules(ram, kernel, kernel_end, initrd_size, dtb_size, low_memory)
    if initrd_size is None:
        return Placement(kernel=kernel, initrd=None, dtb=modules, reason=reason, dtb_reason=reason)
    dtb = modules + round_up(initrd_size, PAGE_SIZE)
    return Placement(kernel=kernel, initrd=modules, dtb=dtb, reason=reason, dtb_reason=Reason.BEHIND_INITRD)


def _place_modules(
    ram: Bank,
    kernel: int,
    kernel_end: int,
    initrd_size: int | None,
    dtb_size: int,
    low_memory: int | None,
) -> tuple[int, Reason]:
    room = "RAM"
    below = kernel - ram.base
    if low_memory is not None:
        below = max(0, below - _FIRST_TABLES_END)
        if low_memory < ram.size:
            ram, room = Bank(ram.base, low_memory), "low memory"
    size = round_up(initrd_size or 0, PAGE_SIZE) + round_up(dtb_size, PAGE_SIZE)
    limit = round_up(kernel_end, _KERNEL_ALIGNMENT)
    preferred = ram.base + _MODULES_AT
    if ram.end >= preferred + size and limit < preferred:
        return preferred, Reason.MIDDLE
    if ram.end - size > limit:
        return ram.end - size, Reason.TOP if room == "RAM" else Reason.LOW_TOP
    if below > size and kernel <= ram.end:
        return kernel - size, Reason.BELOW
    raise PlanError(
        f"{modules_text(initrd_size, dtb_size)} does not fit: {exact_size_text(max(0, ram.end - limit))} of {room} "
        f"({exact_size_text(ram.size)}, ends at {ram.end:#x}) are left above the kernel "
        f"({kernel:#x}-{kernel_end:#x}, rounded up to 2 MiB) and {exact_size_text(below)} below, "
        "and at least one page must stay free"
    )


def modules_text(initrd_size: int | None, dtb_size: int) -> str:
    """Return the modules as text for messages: ``initrd (1 GiB) with dtb (4 KiB)``."""
    dtb = f"dtb ({exact_size_text(dtb_size)})"
    return dtb if initrd_size is None else f"initrd ({exact_size_text(initrd_size)}) with {dtb}"


def check_segments(banks: Sequence[Bank], segments: Sequence[Segment]) -> None:
    """Check a finished plan, whichever rule made it.

    Raises
    ------
    PlanError
        If a segment is not page-aligned, is smaller than its data, is outside every bank, or overlaps the previous
        one.
    """
    for segment in segments:
        where = f"{segment.name} ({exact_size_text(segment.size)} at {segment.address:#x})"
        if segment.address % PAGE_SIZE or segment.size % PAGE_SIZE:
            raise PlanError(f"{where} is not aligned to pages of {exact_size_text(PAGE_SIZE)}")
        if segment.size < segment.data.nbytes:
            raise PlanError(f"{where} is smaller than its data ({exact_size_text(segment.data.nbytes)})")
        if not any(bank.base <= segment.address and segment.end <= bank.end for bank in banks):
            raise PlanError(f"{where} is not in RAM")
    for lower, upper in itertools.pairwise(segments):
        if upper.address < lower.end:
            raise PlanError(
                f"{upper.name} (at {upper.address:#x}) overlaps {lower.name} "
                f"({lower.address:#x}-{lower.end:#x})"
            )
