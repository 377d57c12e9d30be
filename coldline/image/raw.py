# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels of no form: somebody else says where they go."""

from coldline.image.content import Content, Told
from coldline.image.kernel import Kernel, Piece

ADDRESSES = {"arm32": 1 << 32, "arm64": 1 << 64}
"""One past the last address."""


def architecture_of(data: memoryview) -> str | None:
    """Whose unconditional branch raw bytes begin with, as what starts at a reset vector does; None for neither's.

    Source: Arm ARM DDI 0487 C6.2, B: bits 31 to 26 are 0b000101; DDI 0406C A8.8.18, B, always: bits 31 to 24, 0xea.
    """
    first = int.from_bytes(data[:4], "little")
    if first >> 26 == 0b000101:
        return "arm64"
    return "arm32" if first >> 24 == 0xEA else None


def raw_kernel(content: Content, told: Told) -> Kernel:
    """A kernel that is what `told` says of it.

    Raises
    ------
    ImageError
        If `told` leaves something open, or the addresses cannot be.
    """
    missing = [
        what
        for what, value in (
            ("its architecture", told.architecture),
            ("where to load it", told.load),
            ("where to enter it", told.entry),
        )
        if value is None
    ]
    if told.architecture is None or told.load is None or told.entry is None:
        raise content.error(f"is of no known form, and {told.by} does not tell {' or '.join(missing)}")
    size = len(content.data)
    if not size:
        raise content.error("is empty")
    if told.load + size > ADDRESSES[told.architecture]:
        raise content.error(
            f"{told.by} says to load it at {told.load:#x}: its {size} bytes pass the end of {told.architecture}'s "
            f"addresses"
        )
    if not told.load <= told.entry < told.load + size:
        raise content.error(
            f"{told.by} says to enter it at {told.entry:#x}, which is outside of it "
            f"({told.load:#x}-{told.load + size:#x})"
        )
    if told.entry % 4 and (told.architecture == "arm64" or not told.entry & 1):
        raise content.error(f"{told.by} says to enter it at {told.entry:#x}, which is off a word")
    return Kernel(
        path=content.path,
        architecture=told.architecture,
        format="raw",
        layers=content.layers,
        pieces=(Piece(told.load, content.data, size),),
        entry=told.entry,
        fixed=True,
    )
