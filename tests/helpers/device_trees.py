# SPDX-License-Identifier: GPL-2.0-or-later
"""Device trees of planned guests, and other tools' readings of them."""

import shutil
import subprocess
from typing import Any

import libfdt

from coldline.guest import GuestOptions, make_plan
from coldline.image import Kernel, KernelPiece
from tests.helpers.requirements import require

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
INITRD = memoryview(b"initrd of 20 bytes..")
KERNEL = Kernel(
    path="Image",
    architecture="arm64",
    format="Image",
    pieces=(KernelPiece(0, memoryview(bytes(64)), 32 * MIB),),
    entry=0,
    fixed=False,
    page_size=4096,
)


def tree(memory: int = 512 * MIB, kernel: Kernel = KERNEL, **options: Any) -> bytes:
    """The device tree of a plan, as bytes."""
    plan = make_plan(kernel, GuestOptions(memory=memory, **options))
    (dtb,) = (segment for segment in plan.segments if segment.name == "dtb")
    return bytes(dtb.data[:])


def source(blob: bytes, *options: str) -> list[str]:
    """dtc's reading of a tree, as lines without indentation; dtc's warnings fail the test."""
    require(shutil.which("dtc"), "dtc, the second reader, is not installed")
    done = subprocess.run(
        ["dtc", *options, "-I", "dtb", "-O", "dts"], input=blob, capture_output=True, check=True
    )
    assert not done.stderr.decode()
    return [line.strip() for line in done.stdout.decode().splitlines() if line.strip()]


def get(blob: bytes, path: str, name: str) -> bytes:
    fdt = libfdt.Fdt(blob)
    return bytes(fdt.getprop(fdt.path_offset(path), name))


def has(blob: bytes, path: str, name: str) -> bool:
    fdt = libfdt.Fdt(blob)
    return not isinstance(fdt.getprop(fdt.path_offset(path), name, quiet=(libfdt.NOTFOUND,)), int)


def nodes(blob: bytes) -> list[str]:
    """The names of the root's nodes, in order."""
    fdt = libfdt.Fdt(blob)
    found = []
    offset = fdt.first_subnode(0, quiet=(libfdt.NOTFOUND,))
    while offset >= 0:
        found.append(fdt.get_name(offset))
        offset = fdt.next_subnode(offset, quiet=(libfdt.NOTFOUND,))
    return found
