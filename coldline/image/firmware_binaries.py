# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognises boot firmware without a header: U-Boot, its SPL, Trusted Firmware-A, OP-TEE, UEFI.

Such a binary has no format of its own. It is recognised by texts that its source puts into every build, and U-Boot's
own address by what its code starts with.
"""

import re
import struct
from collections.abc import Iterator

from coldline.support.frozen_record import Record

_U_BOOT = re.compile(rb"U-Boot (SPL |TPL |VPL )?(20\d\d\.\d\d)")
"""U-Boot include/version_string.h and common/spl/spl.c (2025.01), preloader_console_init."""

_TRUSTED_FIRMWARE = re.compile(rb"BL(1|2|2U|31): %s\n")
"""Trusted Firmware-A bl1/bl1_main.c, bl2/bl2_main.c, bl31/bl31_main.c (2.12): what NOTICE prints."""

_OPTEE_MAGIC = b"OPTE"
_OPTEE = re.compile(rb"OP-TEE version: %s\0")
"""OP-TEE core/arch/arm/kernel/boot.c (4.5), what IMSG prints; scripts/gen_tee_bin.py (4.5) has the magic number."""

_VOLUME = b"_FVH"
_VOLUME_AT = (0x28, 0x1028)
"""The signature in the header of a firmware volume, which is first or behind 4 KiB of code: UEFI Platform
Initialization Specification 1.7, volume 3, 3.2.1.1; edk2 ArmVirtPkg/ArmVirtQemu.fdf."""

_A64_LINKS = struct.Struct("<4Q")
_A64_LINKS_END = 0x200
"""Bytes from the start that can have them: a board's own header comes first, up to 0x104 bytes on sunxi."""

_MOST_BSS = 64 << 20

_A32_VECTORS = struct.Struct("<8I")
_A32_LOAD_PC = 0xE59FF014
_PAGE = 4096


U_BOOT_FILES = "uboot.elf, u-boot.itb, u-boot.img or u-boot.bin"
"""Files that have U-Boot itself, for messages."""


class UBoot(Record):
    """A binary of U-Boot.

    Attributes
    ----------
    version : str
        Its version, such as ``2025.01``.
    stage : str
        ``SPL``, ``TPL`` or ``VPL``, which run before U-Boot itself; empty for U-Boot itself.
    address : int or None
        The address that it is linked for, at which it is loaded and entered; None if that is not found.
    architecture : str or None
        ``arm64`` or ``arm32``, if `address` is found.
    """

    version: str
    stage: str
    address: int | None = None
    architecture: str | None = None


def u_boot_binary(data: memoryview) -> UBoot | None:
    """Return which U-Boot `data` is, or None."""
    found = _U_BOOT.search(data)
    if found is None:
        return None
    stage = (found[1] or b"").strip().decode("ascii")
    architecture, address = next(_link_addresses(data), (None, None))
    return UBoot(found[2].decode("ascii"), stage, address, architecture)


def _link_addresses(data: memoryview) -> Iterator[tuple[str, int]]:
    """Yield the architecture and the address that U-Boot's first bytes have.

    Source: U-Boot arch/arm/cpu/armv8/start.S (2025.01), _TEXT_BASE, _end_ofs, _bss_start_ofs, _bss_end_ofs;
    arch/arm/lib/vectors.S (2025.01), where the addresses of seven handlers, which follow in the first page, come
    after eight vectors.
    """
    size = len(data)
    for at in range(8, min(_A64_LINKS_END, size - _A64_LINKS.size + 1), 8):
        base, end, bss, bss_end = _A64_LINKS.unpack_from(data, at)
        if (
            base % _PAGE == 0
            and base < 1 << 48
            and _PAGE < end <= size
            and end <= bss <= bss_end <= end + _MOST_BSS
        ):
            yield "arm64", base
    if size >= 2 * _A32_VECTORS.size:
        vectors, handlers = _A32_VECTORS.unpack_from(data), _A32_VECTORS.unpack_from(data, _A32_VECTORS.size)
        base = handlers[0] - handlers[0] % _PAGE
        if all(each == _A32_LOAD_PC for each in vectors[1:]) and all(
            base < each < base + _PAGE for each in handlers[:7]
        ):
            yield "arm32", base


HOW_TO_START_SECURE = (
    "start it with --el 3, --load, --entry and --arch, or give what it starts, such as U-Boot"
)
"""What to do with what `secure_firmware` finds."""


def secure_firmware(data: memoryview) -> str | None:
    """Return the name of firmware that runs in Secure state or at EL3, or None."""
    found = _TRUSTED_FIRMWARE.search(data)
    if found is not None:
        return f"BL{found[1].decode('ascii')} of Trusted Firmware-A, which runs at EL3"
    if data[:4] == _OPTEE_MAGIC or _OPTEE.search(data):
        return "OP-TEE, which runs in Secure state"
    return None


def is_uefi(data: memoryview) -> bool:
    """Return whether `data` starts like UEFI firmware."""
    return any(data[at : at + len(_VOLUME)] == _VOLUME for at in _VOLUME_AT)


def first_stage(u_boot: UBoot) -> str:
    """Return what a stage before U-Boot itself is, as text that follows ``is``."""
    return (
        f"U-Boot's {u_boot.stage} ({u_boot.version}), which sets up a board's RAM: give U-Boot itself, such as "
        f"{U_BOOT_FILES}"
    )


def why_no_kernel(data: memoryview) -> str | None:
    """Return what firmware `data` is and what to give instead, as text that follows ``is``; None if it is unknown."""
    secure, found = secure_firmware(data), u_boot_binary(data)
    if secure is not None and found is not None:
        return (
            f"firmware of several stages without a known format: give U-Boot itself, such as {U_BOOT_FILES}"
        )
    if secure is not None:
        return f"{secure}: {HOW_TO_START_SECURE}"
    if is_uefi(data):
        return "UEFI firmware, which starts from flash: give it with --bios"
    if found is None:
        return None
    if found.stage:
        return first_stage(found)
    name = f"U-Boot {found.version} without a header"
    if found.address is None:
        return (
            f"{name}, and its start does not say its address: give it with --bios if it starts from flash, else with "
            "--load, --entry and --arch"
        )
    if found.address == 0:
        return f"{name}, for address 0: give it with --bios if it starts from flash there, as on QEMU's virt"
    where = f"{found.address:#x}"
    return f"{name}, for address {where}: give --load {where} --entry {where} --arch {found.architecture}"
