# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images of every kind, made by the tools that people make them with."""

import shutil
import struct
import subprocess

from requirements_helper import require

PACKERS = {
    "gzip": ("gzip", "-c"),
    "bzip2": ("bzip2", "-c"),
    "xz": ("xz", "-c", "--check=crc32"),
    "lzma": ("xz", "-c", "--format=lzma"),
    "zstd": ("zstd", "-q", "-c"),
    "lz4": ("lz4", "-q", "-c"),
    "lz4 (legacy)": ("lz4", "-q", "-c", "-l"),
    "lzop": ("lzop", "-c"),
}
"""Commands that compress standard input, by coldline's name for what they write."""


def run(*command, data=None, folder=None):
    """What a tool writes."""
    require(shutil.which(command[0]), f"{command[0]} is not installed")
    done = subprocess.run(command, input=data, capture_output=True, cwd=folder, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pack(name, data, *options):
    """`data`, compressed."""
    return run(*PACKERS[name], *options, data=data)


def arm64_image(*, size=4096, text_offset=0, image_size=0x10000, flags=0b1010, fill=b""):
    """An arm64 Image: Linux Documentation/arch/arm64/booting.rst, section 4."""
    header = struct.pack(
        "<IIQQQQQQ4sI", 0x91005A4D, 0x14000000, text_offset, image_size, flags, 0, 0, 0, b"ARM\x64", 0
    )
    return (header + fill[: size - len(header)]).ljust(size, b"\0")


def zimage(*, start=0, end=None, endianness=b"\1\2\3\4", magic=b"\x18\x28\x6f\x01", size=4096):
    """A 32-bit zImage: linux arch/arm/boot/compressed/head.S (6.1)."""
    words = magic + struct.pack("<II", start, start + size if end is None else end) + endianness
    return (b"\x00\x00\xa0\xe1" * 9 + words).ljust(size, b"\0")


def zboot(payload, name=b"gzip", *, offset=64, size=None):
    """An EFI zboot image: linux drivers/firmware/efi/libstub/zboot-header.S (6.1)."""
    header = struct.pack(
        "<4s4sII8x32s4sI", b"MZ\0\0", b"zimg", offset, len(payload) if size is None else size, name,
        b"\xcd\x23\x82\x81", 64,
    )  # fmt: skip
    return header + payload
