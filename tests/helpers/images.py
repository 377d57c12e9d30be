# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images of every format, made by the usual tools."""

import shutil
import struct
import subprocess
from pathlib import Path

from tests.helpers.requirements import require

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


def run(*command: str, data: bytearray | bytes | None = None, folder: Path | None = None) -> bytes:
    """The output of a tool."""
    require(shutil.which(command[0]), f"{command[0]} is not installed")
    done = subprocess.run(command, input=data, capture_output=True, cwd=folder, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pack(name: str, data: bytearray | bytes, *options: str) -> bytes:
    """Compress `data`."""
    return run(*PACKERS[name], *options, data=data)


def arm64_image(
    *,
    size: int = 4096,
    text_offset: int = 0,
    image_size: int = 0x10000,
    flags: int = 0b1010,
    fill: bytes = b"",
) -> bytes:
    """An arm64 Image: Linux Documentation/arch/arm64/booting.rst, section 4."""
    header = struct.pack(
        "<IIQQQQQQ4sI", 0x91005A4D, 0x14000000, text_offset, image_size, flags, 0, 0, 0, b"ARM\x64", 0
    )
    return (header + fill[: size - len(header)]).ljust(size, b"\0")


def zimage(
    *,
    start: int = 0,
    end: int | None = None,
    endianness: bytes = b"\1\2\3\4",
    magic: bytes = b"\x18\x28\x6f\x01",
    size: int = 4096,
) -> bytes:
    """A 32-bit zImage: linux arch/arm/boot/compressed/head.S (6.1)."""
    words = magic + struct.pack("<II", start, start + size if end is None else end) + endianness
    return (b"\x00\x00\xa0\xe1" * 9 + words).ljust(size, b"\0")


def zboot(payload: bytes, name: bytes = b"gzip", *, offset: int = 64, size: int | None = None) -> bytes:
    """An EFI zboot image: linux drivers/firmware/efi/libstub/zboot-header.S (6.1)."""
    header = struct.pack(
        "<4s4sII8x32s4sI", b"MZ\0\0", b"zimg", offset, len(payload) if size is None else size, name,
        b"\xcd\x23\x82\x81", 64,
    )  # fmt: skip
    return header + payload


def mkimage_legacy(
    folder: Path,
    *files: bytes,
    kind: str = "kernel",
    compression: str = "none",
    arch: str = "arm64",
    load: int = 0x40080000,
    entry: int | None = None,
    name: str = "k",
) -> bytes:
    """A uImage of `files`, by U-Boot's mkimage."""
    names = []
    for number, data in enumerate(files):
        (folder / f"file{number}").write_bytes(data)
        names.append(f"file{number}")
    run(
        "mkimage", "-A", arch, "-O", "linux", "-T", kind, "-C", compression, "-a", hex(load),
        "-e", hex(load if entry is None else entry), "-n", name, "-d", ":".join(names), "out.uimg",
        folder=folder,
    )  # fmt: skip
    return (folder / "out.uimg").read_bytes()


def mkimage_fit(folder: Path, source: str, *options: str, **files: bytes) -> bytes:
    """A FIT from its source, by U-Boot's mkimage and dtc; `files` are what the source includes."""
    require(shutil.which("dtc"), "dtc is not installed")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "fit.its").write_text(f"/dts-v1/;\n{source}")
    run("mkimage", *options, "-f", "fit.its", "out.itb", folder=folder)
    return (folder / "out.itb").read_bytes()


def dtb(source: str) -> bytes:
    """A device tree, by dtc."""
    return run("dtc", "-q", "-I", "dts", "-O", "dtb", data=f"/dts-v1/;\n{source}".encode())


def link(folder: Path, script: str, assembly: str, *options: str, arch: str = "aarch64-linux-gnu") -> bytes:
    """An ELF file, by binutils."""
    (folder / "a.s").write_text(assembly)
    (folder / "a.ld").write_text(script)
    run(f"{arch}-as", "a.s", "-o", "a.o", folder=folder)
    run(f"{arch}-ld", "-T", "a.ld", "a.o", "-o", "a.elf", *options, folder=folder)
    return (folder / "a.elf").read_bytes()
