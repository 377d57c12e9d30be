# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells firmware for flash (``--bios``), which has no format, from files that have one and cannot start there."""

from collections.abc import Callable, Iterator

from coldline.image.content import Content

_BLANK = (0x00, 0xFF)
_CHUNK = 1 << 20

_PE = b"MZ"
_VARIABLES = bytes.fromhex("8d2bf1ff96768b4ca9852747075b4f50")
_VARIABLES_AT = 16
"""EFI_SYSTEM_NV_DATA_FV_GUID of a firmware volume: edk2 MdeModulePkg/Include/Guid/SystemNvDataGuid.h."""


def check_flash_image(content: Content) -> tuple[str, ...]:
    """Check that `content` may start from flash, and return notes about it.

    Raises
    ------
    ImageError
        If it has a format for memory, is known to run elsewhere, or is blank.
    """
    data = content.data
    for name, is_it in _formats():
        if is_it(data):
            raise content.error(
                f"is {name}, which does not start from flash: give it as IMAGE, without --bios"
            )
    if data[: len(_PE)] == _PE:
        raise content.error("is a PE file, which UEFI firmware starts: --bios takes the firmware itself")
    if data[_VARIABLES_AT : _VARIABLES_AT + len(_VARIABLES)] == _VARIABLES:
        raise content.error(
            "has UEFI's variables and no code: give the file with the code, such as AAVMF_CODE.fd"
        )
    if len(data) and data[0] in _BLANK and _is_blank(data):
        raise content.error(f"is blank: all its {len(data)} bytes are {data[0]:#04x}")
    from coldline.image.firmware_binaries import HOW_TO_START_SECURE, secure_firmware, u_boot_binary

    what = secure_firmware(data)
    if what is not None:
        raise content.error(f"is {what}: without --bios, {HOW_TO_START_SECURE}")
    u_boot = u_boot_binary(data)
    if u_boot is not None and u_boot.address:
        where = f"{u_boot.address:#x}"
        return (
            f"it is U-Boot {u_boot.version} for address {where}, not for flash at 0: without --bios, --load {where} "
            f"--entry {where} --arch {u_boot.architecture} puts it there",
        )
    return ()


def _formats() -> Iterator[tuple[str, Callable[[memoryview], bool]]]:
    """Yield the formats that are loaded into memory; an arm64 Image without ``MZ`` may be firmware, too."""
    from coldline.image.arm64_image import is_arm64_image
    from coldline.image.boot_media import BOOT_MEDIA
    from coldline.image.elf import is_elf
    from coldline.image.fit import is_flat_tree
    from coldline.image.imx_image import is_imx_image
    from coldline.image.intel_hex import is_intel_hex
    from coldline.image.srecord import is_srecord
    from coldline.image.stm32_image import is_stm32_image
    from coldline.image.uimage import is_uimage
    from coldline.image.zboot import is_zboot
    from coldline.image.zimage import is_zimage

    yield "an arm64 Linux Image", lambda data: data[: len(_PE)] == _PE and is_arm64_image(data)
    yield "an ELF file", is_elf
    yield "a zImage", is_zimage
    yield "an EFI zboot image", is_zboot
    yield "a uImage", is_uimage
    yield "a FIT or a device tree", is_flat_tree
    for medium in BOOT_MEDIA:
        yield f"an image that starts with {medium.first_stage}", medium.starts
    yield "an i.MX image", is_imx_image
    yield "an STM32 image", is_stm32_image
    yield "an SREC file", is_srecord
    yield "an Intel HEX file", is_intel_hex


def _is_blank(data: memoryview) -> bool:
    expected = bytes([data[0]]) * _CHUNK
    return all(data[at : at + _CHUNK] == expected[: len(data) - at] for at in range(0, len(data), _CHUNK))
