# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's pieces as segments of whole pages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coldline.errors import PlanError
from coldline.guest.layout import exact_size_text, round_up
from coldline.guest.plan import Bank, Segment
from coldline.guest.reasons import Reason
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.image import Kernel, KernelPiece


def kernel_base(kernel: "Kernel", banks: Sequence[Bank]) -> int:
    """What the addresses of the kernel's pieces count from.

    Raises
    ------
    PlanError
        If the file says where they go, and one of them is not in one of `banks`.
    """
    if not kernel.fixed:
        return banks[0].base
    for piece in kernel.pieces:
        if not any(bank.base <= piece.address and piece.end <= bank.end for bank in banks):
            ram = ", ".join(f"{bank.base:#x}-{bank.end:#x}" for bank in banks)
            raise PlanError(
                f"{kernel.path}: says that {exact_size_text(piece.size)} of it go to {piece.address:#x}: "
                f"that is outside of the guest's RAM ({ram})"
            )
    return 0


def kernel_reason(kernel: "Kernel", *, moved: bool) -> Reason:
    """Why the first piece of a kernel is where `kernel_base` has it, or where it was moved to."""
    if kernel.fixed:
        return Reason.FIXED
    if moved:
        return Reason.MOVED
    return Reason.ZIMAGE if kernel.format == "zImage" else Reason.OFFSET


def kernel_segments(pieces: Sequence["KernelPiece"], base: int, reason: Reason) -> list[Segment]:
    """The pieces of a kernel, from `base` on, in whole pages and in order.

    A piece on a page of its own is taken as it is. One that starts within a page is copied, with what the piece
    below has on that page in front. `reason` is why the first one is there.
    """
    segments: list[Segment] = []
    for piece in pieces:
        address = base + piece.address
        start = address - address % PAGE_SIZE
        head = bytearray(address - start)
        if segments and segments[-1].end > start:
            lower = segments.pop()
            keep = start - lower.address
            shared = memoryview(lower.data[keep:])
            head[: len(shared)] = shared
            if keep:
                segments.append(
                    Segment(lower.name, lower.address, memoryview(lower.data[:keep]), keep, lower.reason)
                )
        data = memoryview(head + piece.data[:]).toreadonly() if head else piece.data
        name = f"kernel-{len(segments) + 1}" if segments else "kernel"
        why = Reason.SAME_FILE if segments and reason is not Reason.FIXED else reason
        segments.append(Segment(name, start, data, round_up(len(head) + piece.size, PAGE_SIZE), why))
    return segments
