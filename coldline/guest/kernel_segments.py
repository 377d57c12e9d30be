# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a kernel's pieces into segments of whole pages."""

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
    """Return the base address of a kernel's pieces.

    Raises
    ------
    PlanError
        If the file has fixed addresses, and a piece is not inside one of `banks`.
    """
    if not kernel.fixed:
        return banks[0].base
    for piece in kernel.pieces:
        if not any(bank.base <= piece.address and piece.end <= bank.end for bank in banks):
            ram = ", ".join(f"{bank.base:#x}-{bank.end:#x}" for bank in banks)
            raise PlanError(
                f"{kernel.path}: its piece of {exact_size_text(piece.size)} at {piece.address:#x} "
                f"is outside the guest's RAM ({ram})"
            )
    return 0


def kernel_reason(kernel: "Kernel", *, moved: bool) -> Reason:
    """Return why the first piece of a kernel is at `kernel_base`, or where it was moved."""
    if kernel.fixed:
        return Reason.FIXED
    if moved:
        return Reason.MOVED
    return Reason.ZIMAGE if kernel.format == "zImage" else Reason.OFFSET


def kernel_segments(pieces: Sequence["KernelPiece"], base: int, reason: Reason) -> list[Segment]:
    """Return the segments of a kernel, in whole pages and in order.

    A piece that starts on a page boundary is not copied. Any other piece is copied, together with the part of the
    piece below that shares its first page. `reason` is the reason of the first segment.
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
