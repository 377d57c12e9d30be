# SPDX-License-Identifier: GPL-2.0-or-later
"""Every file of Debian's U-Boot packages is loaded, or refused in one line that says what to give instead."""

import re
from pathlib import Path

import pytest

from coldline.errors import ImageError
from coldline.image import load_kernel
from tests.helpers.requirements import require

PACKAGES = {
    "arm64": ("arm-trusted-firmware", "u-boot-rockchip", "u-boot-rpi", "u-boot-sunxi"),
    "armhf": ("u-boot-imx", "u-boot-omap", "u-boot-rockchip", "u-boot-rpi", "u-boot-sunxi"),
}
SUITE = "bookworm"

LOADED = re.compile(
    r"/(uboot\.elf|bl31\.(elf|srec)|u-boot\.(img|itb)|u-boot-dtb\.imx|u-boot-sunxi-with-spl\.(fit\.itb|bin)|u-boot-rockchip\.bin)$"
)
REFUSED = re.compile(
    r"/(SPL|MLO|idbloader\.img|bl31\.bin|.*\.srec|sunxi-spl\.bin|u-boot-(spl|tpl)\.bin|u-boot\.bin)$"
)
SAYS = re.compile(r"give (U-Boot itself|what it starts|it with --bios|--load)")


@pytest.mark.long
@pytest.mark.parametrize(
    ("architecture", "package"), [(each, name) for each, names in PACKAGES.items() for name in names]
)
def test_every_file_of_a_package(architecture: str, package: str) -> None:
    from testbed.packages import apt, debian

    try:
        folder = debian.packages(architecture, [package], suite=SUITE)[package]
    except apt.FetchError as error:
        require(False, f"no {package} of Debian's: {error}")
    seen = 0
    for path in sorted((Path(folder) / "usr/lib").rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        if LOADED.search(str(path)):
            assert load_kernel(path).fixed
        elif REFUSED.search(str(path)):
            with pytest.raises(ImageError) as caught:
                load_kernel(path)
            assert SAYS.search(caught.value.reason), f"{path}: {caught.value.reason}"
        else:
            continue
        seen += 1
    assert seen
