# SPDX-License-Identifier: GPL-2.0-or-later
"""vmlinux, Linux's own ELF file: its physical addresses are virtual, so it is placed where its Image would be.

Source: linux arch/arm64/kernel/vmlinux.lds.S, arch/arm/kernel/vmlinux.lds.S and arch/arm/Makefile (6.1). Whether such
a kernel may be relocated depends for arm64 on its Image header, and for arm32 on CONFIG_ARM_PATCH_PHYS_VIRT, which
every kernel for more than one board has.
"""

from coldline.image.arm64_image import is_arm64_image, parse_arm64_image
from coldline.image.content import Content
from coldline.image.kernel import Kernel
from coldline.support.frozen_record import replace

_PHYSICAL_ADDRESSES = 1 << 52
"""One past the last physical address of any arm64 core (FEAT_LPA: Arm ARM DDI 0487 D8.1.6)."""

_PAGE_OFFSETS = (0x80000000, 0xB0000000, 0xC0000000)
"""Where arm32 Linux' linear map begins: linux arch/arm/Kconfig, PAGE_OFFSET (6.1). A fourth value, 0x40000000, is
also the start of guests' RAM, so nothing has to be relocated."""

_TEXT_OFFSETS = 16 << 20
"""The largest offset of an arm32 kernel from there, in bytes: linux arch/arm/Makefile, textofs-y (6.1)."""

_TEXT_OFFSET_ENDS = 0x8000
"""All these offsets are a multiple of 64 KiB plus this."""


def relocate_vmlinux(content: Content, kernel: Kernel) -> Kernel:
    """Return an ELF kernel; if its addresses are Linux's virtual ones, make them relative to a base.

    Raises
    ------
    ImageError
        If its physical addresses are impossible, and there is no Image header that says where it goes.
    """
    lowest = kernel.pieces[0].address
    if kernel.architecture == "arm32":
        offset = _offset_of_arm32(lowest)
        return kernel if offset is None else _from(lowest - offset, kernel)
    if lowest < _PHYSICAL_ADDRESSES:
        return kernel
    first = memoryview(kernel.pieces[0].data[:])
    if not is_arm64_image(first):
        raise content.error(
            f"its first segment has physical address {lowest:#x}, which no core has, and does not start with the "
            "header of an arm64 Image, which would say where it goes"
        )
    header = parse_arm64_image(content.inside("ELF", first))
    moved = _from(lowest - header.pieces[0].address, kernel)
    return replace(moved, anywhere=header.anywhere, page_size=header.page_size)


def _offset_of_arm32(lowest: int) -> int | None:
    for base in _PAGE_OFFSETS:
        offset = lowest - base
        if 0 <= offset < _TEXT_OFFSETS and offset % (64 << 10) == _TEXT_OFFSET_ENDS:
            return offset
    return None


def _from(base: int, kernel: Kernel) -> Kernel:
    pieces = tuple(replace(piece, address=piece.address - base) for piece in kernel.pieces)
    return replace(kernel, pieces=pieces, entry=kernel.entry - base, fixed=False)
