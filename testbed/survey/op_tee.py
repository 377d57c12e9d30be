# SPDX-License-Identifier: GPL-2.0-or-later
"""Where OP-TEE is on Debian's boards, and what each board's machine is.

What starts OP-TEE, Trusted Firmware-A or U-Boot, is not there: OP-TEE begins at its entry as after a loader, at EL1.
Source: optee_os core/arch/arm/plat-*/conf.mk and platform_config.h (4.5).
"""

import struct
from pathlib import Path
from typing import Final

from coldline.errors import ColdlineError

__all__ = ["HeaderError", "words_of"]

_HEADER: Final = struct.Struct("<4sBBHIIIII")
"""``struct optee_header_v2`` with its first image: the image's address is in two halves, high and low.

Source: optee_os scripts/gen_tee_bin.py (4.5)."""

_K3: Final = ("--ram", "0x80000000,512M", "--uart", "ns16550-32,0x2800000")
_BOARDS: Final[dict[str, tuple[str | None, tuple[str, ...]]]] = {
    "k3-am62x": ("0x9e800000", _K3),
    "k3-j721e": ("0x9e800000", _K3),
    "rockchip-rk3588": (None, ("--ram", "0,1G", "--uart", "ns16550-32,0xfeb50000")),
}
_VIRT: Final = (
    *("--machine", "virt", "--ram", "0xe000000,16M", "--ram", "0x40000000,64M"),
    *("--uart", "pl011,0x9040000"),
)
"""QEMU's machine has 16 MiB of secure RAM, and a second UART for the secure world."""


class HeaderError(ColdlineError):
    """A header of OP-TEE that is not one."""


def words_of(folder: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Return a board's image and the words after it; None for a board that is not known.

    Raises
    ------
    HeaderError
        ``tee-header_v2.bin`` is no header of OP-TEE.
    """
    header = folder / "tee-header_v2.bin"
    if folder.name.startswith("vexpress-qemu") and header.is_file():
        return folder / "tee-pager_v2.bin", _raw(hex(_address_in(header)), _VIRT)
    if folder.name not in _BOARDS:
        return None
    address, machine = _BOARDS[folder.name]
    if address is None:
        return folder / "tee.elf", machine
    return folder / "tee-raw.bin", _raw(address, machine)


def _raw(address: str, machine: tuple[str, ...]) -> tuple[str, ...]:
    return ("--load", address, "--entry", address, "--arch", "arm64", *machine)


def _address_in(header: Path) -> int:
    content = header.read_bytes()
    if len(content) < _HEADER.size:
        raise HeaderError(f"{header}: is no header of OP-TEE")
    magic, version, _, _, images, high, low, _, _ = _HEADER.unpack_from(content)
    if (magic, version) != (b"OPTE", 2) or not images:
        raise HeaderError(f"{header}: is no header of OP-TEE")
    return int(high) << 32 | int(low)
