# SPDX-License-Identifier: GPL-2.0-or-later
"""Small files of every format to start fuzzing from, made by the installed tools or else by hand."""

import contextlib
import random
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

from tests.helpers.images import (
    PACKERS,
    arm64_image,
    dtb,
    link,
    mkimage_fit,
    mkimage_legacy,
    pack,
    zboot,
    zimage,
)

_RAM = 0x40000000


def compressed(name: str) -> list[bytes]:
    """The output of a format's tool for some bytes."""
    if shutil.which(PACKERS[name][0]) is None:
        return []
    noise = random.Random(5).randbytes(300)
    contents = (b"", b"a", noise, b"abcd" * 300 + noise[:50], bytes(5000), arm64_image(size=600, fill=noise))
    files = [pack(name, each) for each in contents]
    options = {
        "xz": [["--check=sha256"], ["--arm", "--lzma2"]],
        "zstd": [["--no-check"]],
        "lzop": [["--crc32"], ["-CC"]],
    }
    files += [pack(name, contents[3], *each) for each in options.get(name, [])]
    return [*files, files[1] + files[2], files[3] + bytes(7)]


def images() -> list[bytes]:
    """arm64 Images."""
    return [
        arm64_image(size=128),
        arm64_image(size=200, text_offset=0x80000),
        arm64_image(image_size=0, flags=0),
    ]


def zimages() -> list[bytes]:
    """32-bit zImages."""
    return [zimage(size=100), zimage(start=0x40208000, size=64), zimage(size=64, endianness=b"\4\3\2\1")]


def zboots() -> list[bytes]:
    """EFI zboot images."""
    found = [zboot(b"".join(compressed("gzip")[5:6]))]
    names = {"zstd": b"zstd22", "xz": b"xzkern", "lzma": b"lzma", "lz4 (legacy)": b"lz4", "lzop": b"lzo"}
    return found + [zboot(each, name) for packer, name in names.items() for each in compressed(packer)[5:6]]


def elves() -> list[bytes]:
    """ELF files: by hand, and by binutils."""

    def by_hand(bits: int, machine: int, base: int = _RAM, data: bytes = bytes(16)) -> bytes:
        wide = bits == 64
        head = struct.pack("<4s4B8xHHI", b"\x7fELF", 2 if wide else 1, 1, 1, 0, 2, machine, 1)
        sizes = (64, 56) if wide else (52, 32)
        head += struct.pack("<QQQ" if wide else "<III", base, sizes[0], 0)
        head += struct.pack("<I6H", 0, *sizes, 2, 0, 0, 0)
        start = sizes[0] + 2 * sizes[1]
        for number in range(2):
            at = base + number * 0x1000
            if wide:
                head += struct.pack("<IIQQQQQQ", 1, 5, start, at, at, len(data), 4000, 4)
            else:
                head += struct.pack("<IIIIIIII", 1, start, at, at, len(data), 4000, 5, 4)
        return head + data

    found = [by_hand(64, 183), by_hand(32, 40)]
    # as a vmlinux is linked
    found += [by_hand(64, 183, 0xFFFF800008000000, arm64_image(size=64)), by_hand(32, 40, 0xC0008000)]
    if shutil.which("aarch64-linux-gnu-ld"):
        with tempfile.TemporaryDirectory() as folder:
            script = f"SECTIONS {{ . = {_RAM:#x}; .text : {{ *(.text) }} .data : {{ *(.data) }} }}"
            code = "_start: b _start\n.data\n.word 1, 2, 3\n"
            found.append(link(Path(folder), script, code, "-e", f"{_RAM:#x}", "-s", "-z", "max-page-size=4"))
    return found


def uimages() -> list[bytes]:
    """uImages of one file and of several."""

    def by_hand(payload: bytes, kind: int, compression: int) -> bytes:
        head = (
            0x27051956,
            0,
            0,
            len(payload),
            _RAM,
            _RAM,
            zlib.crc32(payload),
            5,
            22,
            kind,
            compression,
            b"x",
        )
        return struct.pack(">7I4B32s", *head) + payload

    several = struct.pack(">4I", 128, 5, 4, 0) + arm64_image(size=128) + b"abcde\0\0\0" + b"tree"
    found = [by_hand(arm64_image(size=128), 2, 0), by_hand(bytes(64), 2, 0), by_hand(several, 4, 0)]
    found += [by_hand(each, 2, 1) for each in compressed("gzip")[4:6]]
    if shutil.which("mkimage"):
        with tempfile.TemporaryDirectory() as folder:
            found.append(mkimage_legacy(Path(folder), arm64_image(size=100), b"initrd", kind="multi"))
    return found


def boot_rom_images() -> list[bytes]:
    """Images for boot ROMs: i.MX, STM32 and sunxi, which has a uImage behind it."""
    code = struct.pack("<I", 0xEA000002) + bytes(60)
    table = struct.pack(">BHB", 0xD1, 32, 0x40)
    table += (
        struct.pack("<7I", _RAM + 64, 0, 0, _RAM + 32, _RAM, 0, 0)
        + struct.pack("<3I", _RAM, 4096, 0)
        + bytes(20)
    )
    stm32 = b"STM2" + bytes(64) + struct.pack("<I4BIIII", sum(code), 0, 0, 1, 0, len(code), _RAM, 0, _RAM)
    egon = struct.pack("<I8sII", 0xEA000016, b"eGON.BT0", 0, 512).ljust(32 << 10, b"\0")
    image = uimages()[-1]
    return [table + code, stm32.ljust(256, b"\0") + code, egon + image, egon[:600]]


def records() -> list[bytes]:
    """S-records and Intel HEX: the file of M68000PM/AD, appendix C, and a branch."""
    lines = (
        b"S00600004844521B\nS1130000285F245F2212226A000424290008237C2A\nS9030000FC\n",
        b"S3094000000002000014A0\nS30940000004" + b"1F2003D59B\nS70540000000BA\n",
        b":020000044000BA\n:0400000002000014E6\n:0400000540000000B7\n:00000001FF\n",
        b":020000021234B6\n:0400100002000014D6\n:040000031234001" + b"0A3\n:00000001FF\n",
    )
    return list(lines)


def firmware() -> list[bytes]:
    """Firmware without a header: U-Boot, its SPL, Trusted Firmware-A, UEFI, its variables."""
    a64 = struct.pack("<II4Q", 0x1400000A, 0xD503201F, 0x200000, 8192, 8192, 9000) + b"U-Boot 2025.01"
    a32 = (
        struct.pack("<8I", 0xEA0000B8, *[0xE59FF014] * 7)
        + struct.pack("<7I", *range(0x60, 0x300, 0x60))
        + b"U-Boot 2023.01"
    )
    variables = bytes(16) + bytes.fromhex("8d2bf1ff96768b4ca9852747075b4f50") + bytes(8) + b"_FVH"
    return [
        a64.ljust(8200, b"x"),
        a32,
        b"U-Boot SPL 2025.01",
        b"BL31: %s\n",
        b"OPTE",
        variables,
        b"\xff" * 64,
    ]


_FIT = """/ {{ description = ""; #address-cells = <1>;
images {{
 k1 {{ data = /incbin/("k"); type = "kernel"; arch = "arm64"; os = "linux"; compression = "none";
  load = <0x40000000>; entry = <0x40000000>; {hashes} }};
 k2 {{ data = /incbin/("z"); type = "kernel"; arch = "arm64"; os = "linux"; compression = "gzip"; }};
 r1 {{ data = /incbin/("r"); type = "ramdisk"; arch = "arm64"; os = "linux"; compression = "none"; }};
 t1 {{ data = /incbin/("t"); type = "flat_dt"; arch = "arm64"; compression = "none"; }};
 u1 {{ data = /incbin/("k"); type = "firmware"; os = "u-boot"; arch = "arm"; compression = "none";
  load = <0x40000000>; }};
 a1 {{ data = /incbin/("r"); type = "firmware"; os = "arm-trusted-firmware"; arch = "arm64"; compression = "none"; }};
}};
configurations {{ default = "c{number}"; c3 {{ firmware = "a1"; loadables = "u1"; fdt = "t1"; }};
 c1 {{ kernel = "k1"; ramdisk = "r1"; fdt = "t1"; }};
 c2 {{ kernel = "k2"; loadables = "r1"; }}; }}; }};
"""


def fits() -> list[bytes]:
    """FITs with their data inside and behind, with hashes and without."""
    if shutil.which("mkimage") is None or shutil.which("dtc") is None:
        return []
    files = {
        "k": bytes(64),
        "z": b"".join(compressed("gzip")[5:6]),
        "r": b"initrd",
        "t": dtb("/ { a = <1>; };"),
    }
    hashes = 'hash-1 { algo = "crc32"; }; hash-2 { algo = "sha1"; };'
    found = []
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(AssertionError):
        for number, options, has in (
            (1, (), ""),
            (2, (), ""),
            (1, ("-E",), ""),
            (3, (), ""),
            (1, (), hashes),
        ):
            source = _FIT.format(number=number, hashes=has)
            found.append(mkimage_fit(Path(folder), source, *options, **files))
    return found
