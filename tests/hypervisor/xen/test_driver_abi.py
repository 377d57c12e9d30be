# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver's interface has the same layout on every architecture, and coldline uses that layout."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from coldline.hypervisor.xen.bindings import driver, protocols
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require

HEADER = ROOT / "driver" / "coldline.h"
COMPILERS = (
    ("gcc",),
    ("aarch64-linux-gnu-gcc",),
    ("arm-linux-gnueabihf-gcc",),
    ("gcc", "-m32"),
)
# What a structure may not have: padding that nobody wrote down, or a size that another alignment would change.
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Wpadded", "-Werror", "-fsyntax-only", "-ffreestanding")
# The kernel's <linux/types.h> and <linux/ioctl.h> as far as the header needs them, so that a compiler for another
# architecture does not need that architecture's headers. The encoding is that of asm-generic/ioctl.h.
STAND_INS = {
    "types.h": """
        typedef unsigned char __u8; typedef unsigned short __u16;
        typedef unsigned int __u32; typedef unsigned long long __u64; typedef int __s32;
    """,
    "ioctl.h": """
        #define _IOC(d, t, n, s) (((d) << 30) | ((t) << 8) | (n) | ((s) << 16))
        #define _IOW(t, n, s) _IOC(1U, (t), (n), sizeof(s))
        #define _IOR(t, n, s) _IOC(2U, (t), (n), sizeof(s))
        #define _IOWR(t, n, s) _IOC(3U, (t), (n), sizeof(s))
    """,
}


def assertions() -> str:
    """C code that compiles only if the header agrees with `coldline.hypervisor.xen.bindings.driver`."""
    structures = {
        "coldline_features": driver.FeaturesReply,
        "coldline_map": driver.MapRequest,
        "coldline_query": driver.QueryRequest,
        "coldline_restrict": driver.RestrictRequest,
    }
    lines = []
    for name, structure in structures.items():
        lines.append(f'_Static_assert(sizeof(struct {name}) == {ctypes.sizeof(structure)}, "{name}");')
        for member, kind, *_ in structure._fields_:
            offset = getattr(structure, member).offset
            lines.append(
                f"_Static_assert(__builtin_offsetof(struct {name}, {member}) == {offset} && "
                f'sizeof(((struct {name} *)0)->{member}) == {ctypes.sizeof(kind)}, "{name}.{member}");'
            )
    numbers = {
        "COLDLINE_ABI": driver.ABI,
        "COLDLINE_ATTR_NORMAL_NC": protocols.ATTR_NORMAL_NC,
        "COLDLINE_ATTR_NORMAL_WB": protocols.ATTR_NORMAL_WB,
        "COLDLINE_MAP_REPLACE": driver.MAP_REPLACE,
        "COLDLINE_QUERY_WRITE": driver.QUERY_WRITE,
        "COLDLINE_IOCTL_FEATURES": driver.IOCTL_FEATURES,
        "COLDLINE_IOCTL_MAP": driver.IOCTL_MAP,
        "COLDLINE_IOCTL_QUERY": driver.IOCTL_QUERY,
        "COLDLINE_IOCTL_RESTRICT": driver.IOCTL_RESTRICT,
    }
    lines += [f'_Static_assert({name} == {number:#x}U, "{name}");' for name, number in numbers.items()]
    return "\n".join(lines)


def compile_(compiler: tuple[str, ...], text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "linux").mkdir(exist_ok=True)
    for name, content in STAND_INS.items():
        (folder / "linux" / name).write_text(content)
    source = folder / "abi.c"
    source.write_text(f'#include "{HEADER}"\n{text}\n')
    return subprocess.run(
        [*compiler, *STRICT, "-I", folder, source], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("compiler", COMPILERS, ids=" ".join)
def test_one_layout(compiler: tuple[str, ...], tmp_path: Path) -> None:
    require(shutil.which(compiler[0]), f"no {compiler[0]}: scripts/setup --testbed installs it")
    done = compile_(compiler, assertions(), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("struct wrong { __u32 a; __u64 b; };", "padding"),
        ('_Static_assert(sizeof(struct coldline_query) == 12, "size");', "size"),
        ('_Static_assert(COLDLINE_IOCTL_MAP == 0xc030dc02U, "number");', "number"),
    ],
)
def test_the_compiler_would_tell(text: str, complaint: str, tmp_path: Path) -> None:
    require(shutil.which("aarch64-linux-gnu-gcc"), "no aarch64-linux-gnu-gcc")
    done = compile_(("aarch64-linux-gnu-gcc",), text, tmp_path)
    assert done.returncode
    assert complaint in done.stderr


def test_numbers_as_documented() -> None:
    """Numbers from the ioctl encoding by hand (asm-generic/ioctl.h): direction, size, magic, number."""
    assert driver.IOCTL_FEATURES == 0x8030DC00
    assert driver.IOCTL_MAP == 0xC030DC01
    assert driver.IOCTL_QUERY == 0xC010DC02
    text = (ROOT / "docs" / "reference" / "driver.md").read_text()
    for number in (driver.IOCTL_FEATURES, driver.IOCTL_MAP, driver.IOCTL_QUERY):
        assert f"0x{number:08x}" in text
