# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of boot media for sunxi and Rockchip boards: a first stage for on-chip RAM, and U-Boot at a fixed offset.

Source: U-Boot include/sunxi_image.h, arch/arm/mach-sunxi/board.c, tools/rkcommon.c and
arch/arm/dts/rockchip-u-boot.dtsi (2025.01).
"""

import struct
from collections.abc import Callable

from coldline.image.content import ContainerParts, Content, Declared
from coldline.image.firmware_binaries import U_BOOT_FILES
from coldline.support.frozen_record import Record

_EGON = b"eGON.BT0"
_EGON_AT = 4
_EGON_HEADER = struct.Struct("<II8sII")
"""A branch, a checksum between others: struct boot_file_head."""

_EGON_LEAST = 32 << 10
"""Bytes from the SPL's start to U-Boot, or more if the SPL is larger: board.c, board_spl_mmc_get_uboot_raw_sector."""

_RC4_OF_ID_BLOCK = bytes.fromhex("3b8cdcfcbe9f9d51")
"""The first bytes of struct header0_info, encrypted with the fixed key of rkcommon.c, rc4_key."""

_NEW_ID_BLOCK = b"RKNS"
"""RK_MAGIC_V2, for RK35xx: rkcommon.c."""

_ROCKCHIP_U_BOOT_AT = ((0x4000 - 64) * 512, (0x200 - 64) * 512)
"""CONFIG_SYS_MMCSD_RAW_MODE_U_BOOT_SECTOR minus the sector that the image is written to: common/spl/Kconfig,
doc/board/rockchip/rockchip.rst; configs/puma-rk3399_defconfig has the second. Images for SPI flash have others."""


class BootMedium(Record):
    """A kind of boot medium.

    Attributes
    ----------
    name : str
        Its name as a layer.
    first_stage : str
        What it starts with, for messages.
    starts : callable
        Returns whether data starts like it.
    offsets : callable
        Returns the offsets that U-Boot can have.
    """

    name: str
    first_stage: str
    starts: Callable[[memoryview], bool]
    offsets: Callable[[Content], tuple[int, ...]]


def open_boot_medium(content: Content, medium: BootMedium) -> ContainerParts:
    """Return U-Boot, a uImage or FIT, in an image of a boot medium; the first stage is left out, and a note says so.

    Raises
    ------
    ImageError
        If there is only a first stage.
    """
    offsets = medium.offsets(content)
    at = next((each for each in offsets if _is_u_boot_image(content.data[each:])), None)
    if at is None:
        places = " or ".join(f"{each:#x}" for each in offsets)
        raise content.error(
            f"is {medium.first_stage}, which sets up a board's RAM, without a uImage or FIT at byte {places}: give "
            f"U-Boot itself, such as {U_BOOT_FILES}"
        )
    return ContainerParts(
        kernel=content.inside(medium.name, content.data[at:]),
        declared=Declared(by=f"its {medium.name}"),
        notes=(f"ignored {medium.first_stage}, its first {at:#x} bytes",),
    )


def _is_u_boot_image(data: memoryview) -> bool:
    from coldline.image.fit import is_flat_tree
    from coldline.image.uimage import is_uimage

    return is_uimage(data) or is_flat_tree(data)


def _is_egon(data: memoryview) -> bool:
    return data[_EGON_AT : _EGON_AT + len(_EGON)] == _EGON


def _egon_offsets(content: Content) -> tuple[int]:
    if len(content.data) < _EGON_HEADER.size + 4:
        raise content.error(f"is a truncated sunxi SPL: it has {len(content.data)} bytes")
    (length,) = struct.unpack_from("<I", content.data, 0x10)
    if length > len(content.data):
        raise content.error(
            f"is a truncated sunxi SPL: it has {length} bytes (at byte 16), but {len(content.data)} are there"
        )
    return (max(length, _EGON_LEAST),)


def _is_id_block(data: memoryview) -> bool:
    return data[:8] == _RC4_OF_ID_BLOCK or data[:4] == _NEW_ID_BLOCK


BOOT_MEDIA = (
    BootMedium("sunxi SPL", "a sunxi SPL (eGON.BT0)", _is_egon, _egon_offsets),
    BootMedium(
        "Rockchip ID block",
        "a Rockchip ID block (idbloader)",
        _is_id_block,
        lambda content: _ROCKCHIP_U_BOOT_AT,
    ),
)
"""Every kind of boot medium."""
