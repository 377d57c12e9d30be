# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw kernels, without a format of their own: a container or the user says where they go."""

from coldline.image.content import Content, Declared
from coldline.image.kernel import Kernel, KernelPiece

ADDRESS_SPACE_SIZE = {"arm32": 1 << 32, "arm64": 1 << 64}
"""One past the last address, by architecture."""


def architecture_of(data: memoryview) -> str | None:
    """Return the architecture of an unconditional branch at the start of `data`, as at a reset vector, or None.

    Source: Arm ARM DDI 0487 C6.2, B: bits 31 to 26 are 0b000101; DDI 0406C A8.8.18, B, always: bits 31 to 24, 0xea.
    """
    first = int.from_bytes(data[:4], "little")
    if first >> 26 == 0b000101:
        return "arm64"
    return "arm32" if first >> 24 == 0xEA else None


def raw_kernel(content: Content, declared: Declared) -> Kernel:
    """Return the kernel that `declared` describes.

    Raises
    ------
    ImageError
        If `declared` is incomplete, or its addresses are impossible.
    """
    missing = [
        what
        for what, value in (
            ("its architecture", declared.architecture),
            ("where to load it", declared.load),
            ("where to enter it", declared.entry),
        )
        if value is None
    ]
    if declared.architecture is None or declared.load is None or declared.entry is None:
        raise content.error(f"has no known format, and {declared.by} does not give {' or '.join(missing)}")
    size = len(content.data)
    if not size:
        raise content.error("is empty")
    if declared.load + size > ADDRESS_SPACE_SIZE[declared.architecture]:
        raise content.error(
            f"{declared.by} says to load it at {declared.load:#x}: its {size} bytes pass "
            f"the end of {declared.architecture}'s addresses"
        )
    if not declared.load <= declared.entry < declared.load + size:
        raise content.error(
            f"{declared.by} says to enter it at {declared.entry:#x}, which is outside it "
            f"({declared.load:#x}-{declared.load + size:#x})"
        )
    if declared.entry % 4 and (declared.architecture == "arm64" or not declared.entry & 1):
        raise content.error(
            f"{declared.by} says to enter it at {declared.entry:#x}, which is not word-aligned"
        )
    return Kernel(
        path=content.path,
        architecture=declared.architecture,
        format="raw",
        layers=content.layers,
        pieces=(KernelPiece(declared.load, content.data, size),),
        entry=declared.entry,
        fixed=True,
    )
