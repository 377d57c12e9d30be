# SPDX-License-Identifier: GPL-2.0-or-later
"""Where BL31 of Trusted Firmware-A is on Debian's boards, and what each board's machine is.

Source: trusted-firmware-a plat/*/*/include/platform_def.h and platform.mk (2.8, 2.12). The emulator has no Cortex-A55
and no Cortex-A76, which BL31 looks for on RK3568, RK3588 and the Raspberry Pi 5.
"""

from typing import Final

_RAM: Final = ("--ram", "0x40000000,256M")
_IMX_UARTS: Final = ("30860000", "30890000", "30880000", "30a60000")
_IMX: Final = (
    "--ram",
    "0x900000,512K",
    *_RAM,
    *(word for at in _IMX_UARTS for word in ("--uart", f"imx,0x{at}")),
)
_AMLOGIC: Final = ("--ram", "0,512M", "--uart")
_ROCKCHIP: Final = ("--ram", "0,16M", "--ram")
_K3: Final = ("--ram", "0x70000000,2M", "--ram", "0x80000000,256M", "--uart", "ns16550-32,0x2800000")
_A53, _A72 = ("--core", "cortex-a53"), ("--core", "cortex-a72")
_H6: Final = (
    *("--ram", "0x20000,64K", "--ram", "0x100000,128K", *_RAM, "--uart", "ns16550-32,0x5000000"),
    *("--mmio", "0x3021fe8,4=0x20"),  # GICD_PIDR2 of the GIC-400
    *_A53,
)

_BOARDS: Final[dict[str, tuple[str | None, tuple[str, ...]]]] = {
    "rpi3": ("0x100e0000", ("--machine", "raspi3b", "--memory", "512M", *_A53)),
    "rpi4": ("0", ("--machine", "raspi4b", "--mmio", "0xff841fe8,4=0x20", *_A72)),
    "sun50i_a64": (
        "0x44000",
        ("--ram", "0x10000,32K", "--ram", "0x40000,128K", *_RAM, "--uart", "ns16550-32,0x1c28000", *_A53),
    ),
    "sun50i_h6": ("0x104000", _H6),
    "sun50i_h6_no_pmic": ("0x104000", _H6),
    "imx8mq": ("0x910000", (*_IMX, *_A53)),
    "imx8mm": ("0x920000", (*_IMX, *_A53)),
    "imx8mn": ("0x960000", (*_IMX, *_A53)),
    "imx8mp": ("0x960000", (*_IMX, *_A53)),
    "g12a": ("0x5100000", (*_AMLOGIC, "meson,0xff803000", *_A53)),
    "gxbb": ("0x10100000", (*_AMLOGIC, "meson,0xc81004c0", *_A53)),
    "rk3328": (None, (*_ROCKCHIP, "0xff090000,32K", "--uart", "ns16550-32,0xff130000", *_A53)),
    "rk3399": (
        None,
        (*_ROCKCHIP, "0xff3b0000,8K", "--ram", "0xff8c0000,192K", "--uart", "ns16550-32,0xff1a0000", *_A72),
    ),
    "rk3568": (None, (*_ROCKCHIP, "0xfdcd0000,64K", "--uart", "ns16550-32,0xfe660000")),
    "rk3588": (None, (*_ROCKCHIP, "0xff100000,64K", "--uart", "ns16550-32,0xfeb50000")),
    "rpi5": ("0", ("--ram", "0,512M", "--uart", "pl011,0x107d001000")),
    "k3": ("0x70000000", (*_K3, *_A53)),
}
"""The address at which a board's raw BL31 is, None for an ELF file, and its machine."""


def words_of(board: str) -> tuple[str, ...]:
    """Return the words after the file for BL31 of a board; none but ``--el 3`` for one that is not known."""
    name = board.partition("_uart")[0]
    address, machine = _BOARDS.get(name, (None, ()))
    if address is None:
        return ("--el", "3", "--arch", "arm64", *machine)
    place = ("--load", address, "--entry", address, "--arch", "arm64")
    return ("--el", "3", *place, *machine)
