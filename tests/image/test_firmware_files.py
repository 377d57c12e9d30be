# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of firmware and boot ROMs, made by U-Boot's mkimage and by objcopy where these can."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldline.errors import ImageError, UsageError
from coldline.image import Kernel, RawPlacement, load_kernel
from tests.helpers.images import arm64_image, dtb, link, mkimage_fit, mkimage_legacy, pack, run, zimage

RAM = 0x40000000
A64 = struct.pack("<I", 0x14000002) + b"\x1f\x20\x03\xd5" * 40
"""A branch and NOPs."""
A32 = struct.pack("<I", 0xEA000002) + b"\x00\xf0\x20\xe3" * 40


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write_file(data: bytearray | bytes, name: str = "file") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write_file


def reason(path: str, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        load_kernel(path, **options)
    assert caught.value.path == path
    assert caught.value.reason.isprintable()
    return caught.value.reason


def memory(kernel: Kernel) -> list[tuple[int, bytes]]:
    return [(piece.address, bytes(piece.data[:])) for piece in kernel.pieces]


def mkimage(folder: Path, data: bytes, *options: str) -> bytes:
    (folder / "input").write_bytes(data)
    run("mkimage", *options, "-d", "input", "output", folder=folder)
    return (folder / "output").read_bytes()


def u_boot(
    address: int, *, size: int = 8192, header: int = 0, text: bytes = b"U-Boot 2025.01 (Jan 01 2025)\0"
) -> bytes:
    """What U-Boot's arch/arm/cpu/armv8/start.S (2025.01) starts with: a branch, _TEXT_BASE and three offsets."""
    start = struct.pack("<II", 0x14000000 | (0x30 + header) // 4, 0xD503201F) + bytes(header)
    start += struct.pack("<4Q", address, size, size, size + 0x4000)
    return (start + text).ljust(size, b"\x1f\x20\x03\xd5"[:1])


def u_boot_arm32(address: int, *, size: int = 8192) -> bytes:
    """What U-Boot's arch/arm/lib/vectors.S (2025.01) starts with: vectors, and the handlers' addresses."""
    vectors = struct.pack("<8I", 0xEA0000B8, *[0xE59FF014] * 7)
    handlers = struct.pack("<8I", *(address + 0x60 + 0x60 * n for n in range(7)), 0xDEADBEEF)
    return (vectors + handlers + b"U-Boot 2023.01\0").ljust(size, b"\0")


# U-Boot without a header, and what comes before it.


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            u_boot(0x200000),
            "is U-Boot 2025.01 without a header, for address 0x200000: "
            "give --load 0x200000 --entry 0x200000 --arch arm64",
        ),
        (
            u_boot(0x4A000000, header=0xF8),
            "is U-Boot 2025.01 without a header, for address 0x4a000000: "
            "give --load 0x4a000000 --entry 0x4a000000 --arch arm64",
        ),
        (
            u_boot(0),
            "is U-Boot 2025.01 without a header, for address 0: "
            "give it with --bios if it starts from flash there, as on QEMU's virt",
        ),
        (
            u_boot_arm32(0x17800000),
            "is U-Boot 2023.01 without a header, for address 0x17800000: "
            "give --load 0x17800000 --entry 0x17800000 --arch arm32",
        ),
        (
            u_boot(0x200001),
            "is U-Boot 2025.01 without a header, and its start does not say its address: "
            "give it with --bios if it starts from flash, else with --load, --entry and --arch",
        ),
        (
            A64 + b"U-Boot SPL 2025.01-3",
            "is U-Boot's SPL (2025.01), which sets up a board's RAM: "
            "give U-Boot itself, such as uboot.elf, u-boot.itb, u-boot.img or u-boot.bin",
        ),
        (
            A64 + b"\x14BL31: %s\n\0",
            "is BL31 of Trusted Firmware-A, which runs at EL3: "
            "start it with --el 3, --load, --entry and --arch, or give what it starts, such as U-Boot",
        ),
        (
            b"OPTE\x02" + bytes(23),
            "is OP-TEE, which runs in Secure state: "
            "start it with --el 3, --load, --entry and --arch, or give what it starts, such as U-Boot",
        ),
        (
            bytes(0x1028) + b"_FVH" + bytes(100),
            "is UEFI firmware, which starts from flash: give it with --bios",
        ),
    ],
)  # fmt: skip
def test_firmware_as_image_is_told_what_to_do(data: bytes, said: str, write: Callable[..., str]) -> None:
    assert reason(write(data)) == said
    placed = load_kernel(write(data), raw=RawPlacement("arm64", RAM, RAM))
    assert memory(placed) == [(RAM, data)], "what the user says counts"


def test_firmware_for_flash(write: Callable[..., str]) -> None:
    flash = RawPlacement(None, 0, 0, in_flash=True)
    assert load_kernel(write(u_boot(0)), raw=flash).notes == ()
    assert load_kernel(write(A32), raw=flash).architecture == "arm32"
    assert load_kernel(write(u_boot(0x200000)), raw=flash).notes == (
        "it is U-Boot 2025.01 for address 0x200000, not for flash at 0: without --bios, --load 0x200000 "
        "--entry 0x200000 --arch arm64 puts it there",
    )
    elsewhere = "which does not start from flash: give it as IMAGE, without --bios"
    image = bytearray(arm64_image())
    image[:2] = b"MZ"
    for data, said in (
        (b"", "the firmware is empty"),
        (bytes(9), "is blank: all its 9 bytes are 0x00"),
        (b"\xff" * (3 << 20), "is blank: all its 3145728 bytes are 0xff"),
        (b"\x7fELF" + bytes(60), f"is an ELF file, {elsewhere}"),
        (bytes(image), f"is an arm64 Linux Image, {elsewhere}"),
        (pack("gzip", zimage()), f"inside gzip: is a zImage, {elsewhere}"),
        (b"MZ" + bytes(100), "is a PE file, which UEFI firmware starts: --bios takes the firmware itself"),
        (b"S00600004844521B\n", f"is an SREC file, {elsewhere}"),
        (
            A64 + b"\x14BL31: %s\n\0",
            "is BL31 of Trusted Firmware-A, which runs at EL3: without --bios, start it with --el 3, --load, --entry "
            "and --arch, or give what it starts, such as U-Boot",
        ),
        (
            bytes(16) + bytes.fromhex("8d2bf1ff96768b4ca9852747075b4f50") + bytes(100),
            "has UEFI's variables and no code: give the file with the code, such as AAVMF_CODE.fd",
        ),
    ):
        assert reason(write(data), raw=flash) == said
    blank = bytearray(3 << 20)
    blank[-1] = 1
    assert load_kernel(write(blank), raw=flash).architecture == "arm64"


# FIT.

FIT = """/ {{ description = ""; #address-cells = <1>;
images {{
 uboot {{ data = /incbin/("u"); type = "standalone"; os = "U-Boot"; arch = "{arch}"; compression = "none";
  load = <0x4a000000>; {entry} }};
 atf {{ data = /incbin/("a"); type = "firmware"; os = "arm-trusted-firmware"; arch = "arm64"; compression = "none";
  load = <0x44000>; entry = <0x44000>; }};
 tee {{ data = /incbin/("a"); type = "tee"; os = "tee"; arch = "arm64"; compression = "none"; load = <0x30000000>; }};
 scp {{ data = /incbin/("a"); type = "firmware"; arch = "or1k"; compression = "none"; load = <0x50000>; }};
 fdt {{ data = /incbin/("t"); type = "flat_dt"; compression = "none"; }};
}};
configurations {{ default = "c"; c {{ {configuration} }}; }}; }};
"""


@pytest.fixture
def fit(tmp_path: Path, write: Callable[..., str]) -> Callable[..., str]:
    def make(configuration: str, *, arch: str = "arm64", entry: str = "", code: bytes = A64) -> str:
        source = FIT.format(configuration=configuration, arch=arch, entry=entry)
        return write(mkimage_fit(tmp_path, source, u=code, a=b"monitor", t=dtb("/ { a = <1>; };")))

    return make


def test_a_fit_with_trusted_firmware_starts_in_u_boot(fit: Callable[..., str]) -> None:
    """U-Boot common/spl/spl_fit.c (2025.01): the device tree is at the next 8 bytes behind U-Boot."""
    code, tree = A64 + b"abc\0", dtb("/ { a = <1>; };")
    assert len(code) % 8 == 0
    for extra, at in ((b"", len(code)), (b"1", len(code) + 8), (b"12345678", len(code) + 8)):
        path = fit('firmware = "atf"; loadables = "tee", "scp", "uboot"; fdt = "fdt";', code=code + extra)
        kernel = load_kernel(path)
        assert memory(kernel) == [(0x4A000000, (code + extra).ljust(at, b"\0") + tree)]
        assert (kernel.entry, kernel.fixed, kernel.architecture) == (0x4A000000, True, "arm64")
        assert (kernel.format, kernel.layers, kernel.device_tree) == ("raw", ("FIT",), None)
        assert kernel.notes == (
            "used its FIT's configuration 'c': 'uboot'",
            f"put the configuration's device tree at {0x4A000000 + at:#x}, behind U-Boot",
            "did not load 'atf', 'tee', 'scp' of that configuration",
        )


def test_a_fit_of_u_boot_alone(fit: Callable[..., str]) -> None:
    kernel = load_kernel(fit('firmware = "uboot"; loadables = "uboot";', entry="entry = <0x4a000008>;"))
    assert (memory(kernel), kernel.entry) == ([(0x4A000000, A64)], 0x4A000008)
    assert kernel.notes == ("used its FIT's configuration 'c': 'uboot'",)
    assert load_kernel(fit('loadables = "uboot";', entry="entry = <0>;")).entry == 0x4A000000


def test_an_arm64_u_boot_that_is_declared_as_arm(fit: Callable[..., str]) -> None:
    """U-Boot Makefile (2025.01): u-boot.img is made with -A arm for arm64 boards, too."""
    kernel = load_kernel(fit('firmware = "uboot";', arch="arm"))
    assert kernel.architecture == "arm64"
    assert kernel.notes[-1] == (
        "its FIT image 'uboot' says that it is for arm32, but it starts with a branch of arm64: arm64 is used"
    )
    assert load_kernel(fit('firmware = "uboot";', arch="arm", code=A32)).architecture == "arm32"
    assert load_kernel(fit('firmware = "uboot";', arch="arm", code=A64[4:])).architecture == "arm32"
    assert load_kernel(fit('firmware = "uboot";', arch="arm"), architecture="arm64").architecture == "arm64"


def test_a_fit_of_firmware_that_cannot_be(fit: Callable[..., str]) -> None:
    assert reason(fit('firmware = "atf"; loadables = "tee", "scp";')) == (
        "its configuration 'c' has nothing that runs at EL1 or EL2 of an arm core: of 'atf', 'tee', 'scp', each is "
        "Trusted Firmware-A, OP-TEE or for another core"
    )
    assert reason(fit('fdt = "fdt";')) == "its configuration 'c' names no kernel, firmware or loadables"
    assert reason(fit('loadables = "uboot", "none";')) == (
        "its configuration 'c' names loadables 'none', which is not in /images"
    )
    many = ", ".join(['"uboot"'] * 65)
    assert reason(fit(f"loadables = {many};")) == "its configuration 'c' names more than 64 loadables"
    assert reason(fit('firmware = "fdt";')) == "its image 'fdt' has no load"
    assert (
        reason(fit('firmware = "uboot"; fdt = "scp";'))
        == "its image 'scp' is of type 'firmware', not flat_dt"
    )


# uImage.


def test_u_boot_in_a_uimage_goes_where_it_says(write: Callable[..., str], tmp_path: Path) -> None:
    data = mkimage(
        tmp_path, A32, "-A", "arm", "-O", "u-boot", "-T", "firmware", "-C", "none", "-a", "0x17800000", "-e",
        "0x17800000", "-n", "U-Boot",
    )  # fmt: skip
    kernel = load_kernel(write(data))
    assert (memory(kernel), kernel.entry) == ([(0x17800000, A32)], 0x17800000)
    assert (kernel.architecture, kernel.layers, kernel.notes) == (
        "arm32",
        ("uImage",),
        ("its uImage is called 'U-Boot'",),
    )
    program = mkimage_legacy(tmp_path, A64, kind="standalone", load=RAM)
    assert memory(load_kernel(write(program))) == [(RAM, A64)]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (3, "a ramdisk: give it with --initrd"),
        (7, "a file system"),
        (8, "a device tree: give it with --dtb-only"),
        (31, "OP-TEE or another trusted OS, which runs in Secure state"),
        (42, "not a kernel or firmware"),
    ],
)
def test_a_uimage_of_another_type(kind: int, said: str, write: Callable[..., str], tmp_path: Path) -> None:
    """U-Boot include/image.h (2025.01), IH_TYPE_*."""
    data = bytearray(mkimage_legacy(tmp_path, A64))
    data[30] = kind
    data[4:8] = bytes(4)
    struct.pack_into(">I", data, 4, zlib.crc32(data[:64]))
    assert reason(write(data)) == f"is a uImage of type {kind} (at byte 30), {said}"


# Boot ROMs.


def test_an_i_mx_image(write: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("IMAGE_VERSION 2\nBOOT_FROM sd\nDATA 4 0x020e0798 0x000c0000\n")
    data = mkimage(tmp_path, A32 * 40, "-n", "config", "-T", "imximage", "-e", "0x17800000")
    kernel = load_kernel(write(data))
    (piece,) = kernel.pieces
    assert (kernel.entry, kernel.architecture, kernel.layers) == (0x17800000, "arm32", ("i.MX image",))
    at = 0x17800000 - piece.address
    assert bytes(piece.data[at : at + len(A32)]) == A32
    assert bytes(piece.data[:4]) == b"\xd1\x00\x20\x40"
    assert load_kernel(write(data), architecture="arm64").architecture == "arm64", "what the user says counts"
    for offset, value, said in (
        (16, 0x17800000 + len(data), "its IVT says that it is at"),
        (0x20, 0x17F00000, "its i.MX boot data (at byte 32) are for"),
        (0x28, 1, "is an i.MX plugin (at byte 40), which a boot ROM calls, not a program"),
        (4, 0x17800004, "inside i.MX image: its IVT does not say which architecture it is for: give --arch"),
        (4, 0x10, "inside i.MX image: has no known format, and its IVT does not give its architecture"),
    ):
        changed = bytearray(data)
        struct.pack_into("<I", changed, offset, value)
        assert said in reason(write(changed))
    assert reason(write(data[:20])) == "is a truncated i.MX image: it has 20 bytes; an IVT has 32"


def test_an_stm32_image(write: Callable[..., str], tmp_path: Path) -> None:
    data = mkimage(tmp_path, A32, "-T", "stm32image", "-a", "0xc0100000", "-e", "0xc0100000")
    kernel = load_kernel(write(data))
    assert (memory(kernel), kernel.entry) == ([(0xC0100000, A32)], 0xC0100000)
    assert kernel.layers == ("STM32 image",)
    broken = bytearray(data)
    broken[-1] ^= 1
    assert "its STM32 image has checksum 0x" in reason(write(broken))
    assert reason(write(data[:-1])) == (
        f"its STM32 header says {len(A32)} bytes (at byte 76), but {len(A32) - 1} follow it: truncated"
    )
    assert reason(write(data[:255])) == "is a truncated STM32 image: it has 255 bytes; its header has 256"
    later = bytearray(data)
    later[74] = 2
    assert reason(write(later)) == "is an STM32 image of version 2.0 (at byte 72): coldline knows version 1"
    spl = mkimage(
        tmp_path, A32 + b"U-Boot SPL 2025.01\0", "-T", "stm32image", "-a", "0x2ffc2500", "-e", "0x2ffc2500"
    )
    assert reason(write(spl)) == (
        "inside STM32 image: is U-Boot's SPL (2025.01), which sets up a board's RAM: give U-Boot itself, such as "
        "uboot.elf, u-boot.itb, u-boot.img or u-boot.bin"
    )


def test_the_medium_of_a_sunxi_board(write: Callable[..., str], tmp_path: Path) -> None:
    image = mkimage_legacy(tmp_path, A32, arch="arm", load=0x4A000000, name="")
    for size in (8 << 10, 40 << 10):
        spl = mkimage(tmp_path, bytes(size), "-T", "sunxi_egon", "-n", "dt")
        length = struct.unpack_from("<I", spl, 16)[0]
        assert (spl[4:12], length) == (b"eGON.BT0", len(spl))
        at = max(32 << 10, length)
        kernel = load_kernel(write(spl.ljust(at, b"\0") + image))
        assert (memory(kernel), kernel.layers) == ([(0x4A000000, A32)], ("sunxi SPL", "uImage"))
        assert kernel.notes == (f"ignored a sunxi SPL (eGON.BT0), its first {at:#x} bytes",)
        assert reason(write(spl)) == (
            f"is a sunxi SPL (eGON.BT0), which sets up a board's RAM, without a uImage or FIT at byte {at:#x}: give "
            "U-Boot itself, such as uboot.elf, u-boot.itb, u-boot.img or u-boot.bin"
        )
        assert reason(write(spl[:-1])) == (
            f"is a truncated sunxi SPL: it has {length} bytes (at byte 16), but {length - 1} are there"
        )
    assert reason(write(spl[:20])) == "is a truncated sunxi SPL: it has 20 bytes"


@pytest.mark.parametrize("soc", ["rk3399", "rk3288", "rk3568"])
def test_the_medium_of_a_rockchip_board(soc: str, write: Callable[..., str], tmp_path: Path) -> None:
    spl = mkimage(tmp_path, bytes(4096), "-n", soc, "-T", "rksd")
    image = mkimage_legacy(tmp_path, A64, load=0x200000, name="")
    for at in (0x7F8000, 0x38000):
        kernel = load_kernel(write(spl.ljust(at, b"\0") + image))
        assert memory(kernel) == [(0x200000, A64)]
        assert kernel.notes == (f"ignored a Rockchip ID block (idbloader), its first {at:#x} bytes",)
    assert "without a uImage or FIT at byte 0x7f8000 or 0x38000: give U-Boot itself" in reason(write(spl))


# Text records.

SCRIPT = "SECTIONS {{ .text {0:#x} : {{ *(.text) }} .data {1:#x} : {{ *(.data) }} }}"
CODE = '_start: b 1f\n1: nop\n.data\n.ascii "some data"\n'


def test_records_of_firmware_for_el3_are_loaded_with_a_note(write: Callable[..., str]) -> None:
    records = load_kernel(
        write((s_record(1, 0, A64[:4] + b"BL31: %s\n") + s_record(9, 0)).encode()), architecture="arm64"
    )
    assert (records.entry, records.notes) == (
        0,
        ("it is BL31 of Trusted Firmware-A, which runs at EL3: --el 3 starts it there",),
    )


@pytest.mark.parametrize(("form", "option"), [("SREC", "srec"), ("Intel HEX", "ihex")])
@pytest.mark.parametrize(("text", "data"), [(0x40080000, 0x4008FFF8), (0x48, 0x1234), (0xFFF0, 0x12340)])
def test_text_records(
    form: str, option: str, text: int, data: int, write: Callable[..., str], tmp_path: Path
) -> None:
    link(tmp_path, SCRIPT.format(text, data), CODE, "-e", hex(text))
    run("aarch64-linux-gnu-objcopy", "-O", option, "a.elf", "a.txt", folder=tmp_path)
    records = (tmp_path / "a.txt").read_bytes()
    expected = [(text, b"\x01\0\0\x14" + NOP), (data, b"some data")]
    kernel = load_kernel(write(records))
    assert memory(kernel) == expected
    assert (kernel.format, kernel.architecture, kernel.entry, kernel.fixed) == (form, "arm64", text, True)
    assert memory(load_kernel(write(pack("gzip", records)))) == expected
    assert memory(load_kernel(write(records.replace(b"\r\n", b"\n")))) == expected
    for cut in range(30, len(records) - 4, 5):
        assert reason(write(records[:cut]))


NOP, BRANCH = b"\x1f\x20\x03\xd5", b"\x02\x00\x00\x14"


def s_record(kind: int, address: int, data: bytes = b"") -> str:
    width = {1: 2, 2: 3, 3: 4, 7: 4, 8: 3, 9: 2}[kind]
    body = bytes([width + len(data) + 1]) + address.to_bytes(width, "big") + data
    return f"S{kind}{(body + bytes([~sum(body) & 0xFF])).hex().upper()}\n"


def hex_record(kind: int, address: int = 0, data: bytes = b"") -> str:
    body = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("S00600004844521B\n", "is SREC without a start address, so it does not say where to enter it"),
        (s_record(1, 0, BRANCH) + s_record(9, 4), "is SREC whose start address 0x4 is outside its bytes"),
        (s_record(1, 0, NOP[:2] + BRANCH) + s_record(9, 2), "is SREC whose start address 0x2 is not word-aligned"),
        (s_record(1, 0, NOP) + s_record(9, 0),
         "is SREC, which does not say which architecture it is for: give --arch"),
        (s_record(2, 0, NOP) + s_record(2, 3, NOP), "line 2 has bytes for 0x3, which another line has, too"),
        (s_record(1, 0, BRANCH) + s_record(9, 0) + "S9\n", "line 3 follows the record that ends its SREC"),
        (s_record(1, 0, NOP) + "S4030000FC\n", "line 2 is not SREC: it starts with 'S4'"),
        (s_record(1, 0, NOP) + "S1ZZ\n", "line 2 is not SREC: its digits are not hexadecimal pairs"),
        (s_record(1, 0, NOP) + "S1 0 1\n", "line 2 is not SREC: its digits are not hexadecimal pairs"),
        (s_record(1, 0, NOP) + "S1\n", "line 2 is not SREC: its digits are not hexadecimal pairs"),
        (s_record(1, 0, NOP) + "S10300FC\n", "line 2 says that 3 bytes follow, but 2 do"),
        (s_record(1, 0, NOP) + "S1030000FB\n", "line 2 has checksum 0xfb, not 0xfc"),
        (s_record(1, 0, NOP) + "S1\xff\n", "line 2 is not SREC: it starts with 53 31 ff"),
        (s_record(1, 0, NOP) + "S1" + "0" * 700, "line 2 is not SREC: it starts with 53 31 30 30 30 30 30 30"),
        ("".join(s_record(2, 8 * n, NOP) for n in range(257)),
         "has more than 256 pieces of memory, the last from line 257 on"),
        (hex_record(0, 0, NOP), "is truncated: its Intel HEX has no record that ends it"),
        (hex_record(0, 0, NOP) + hex_record(1),
         "is Intel HEX without a start address, so it does not say where to enter it"),
        (hex_record(0, 0, NOP) + hex_record(1) + ":\n", "line 3 follows the record that ends its Intel HEX"),
        (hex_record(0, 0, NOP) + "x\n", "line 2 is not Intel HEX: it starts with 'x'"),
        (hex_record(0, 0, NOP) + ":0100000000\n", "line 2 says that it has 1 data bytes, but has 0"),
        (hex_record(0, 0, NOP) + ":00000001FE\n", "line 2 has checksum 0xfe, not 0xff"),
        (hex_record(0, 0, NOP) + hex_record(4, 0, b"1"),
         "line 2 is not Intel HEX: a record of type 4 with 1 data bytes"),
        (hex_record(0, 0, NOP) + hex_record(6), "line 2 is not Intel HEX: a record of type 6 with 0 data bytes"),
    ],
)  # fmt: skip
def test_text_records_that_cannot_be(text: str, said: str, write: Callable[..., str]) -> None:
    assert reason(write(text.encode("latin-1"))) == said


def test_records_in_any_order_and_the_segments_of_intel_hex(write: Callable[..., str]) -> None:
    text = s_record(3, 0x40000004, NOP) + s_record(3, 0x40000000, BRANCH) + s_record(7, 0x40000000)
    assert memory(load_kernel(write(text.encode()))) == [(0x40000000, BRANCH), (0x40000004, NOP)]
    text = hex_record(2, 0, b"\x12\x34") + hex_record(0, 0x10, NOP) + hex_record(3, 0, b"\x12\x34\x00\x10")
    kernel = load_kernel(write((text + hex_record(1)).encode()), architecture="arm64")
    assert (memory(kernel), kernel.entry) == ([(0x12350, NOP)], 0x12350)


# --arch alone, and the command.


def test_an_architecture_that_is_given_is_checked(write: Callable[..., str]) -> None:
    assert load_kernel(write(arm64_image()), architecture="arm64").format == "Image"
    assert reason(write(arm64_image()), architecture="arm32") == (
        "--arch says that it is for arm32, but its Image is for arm64"
    )
    assert reason(write(bytes(100)), architecture="arm32") == (
        "has no known format, and --arch does not give where to load it or where to enter it"
    )


def test_the_command_looks_at_what_it_gets(write: Callable[..., str]) -> None:
    from coldline.cli.inputs.trials import plan_guest
    from coldline.cli.main import parser

    def plan(*options: str) -> Any:
        return plan_guest(parser().parse_args(["boot", *options]))[0]

    records = (s_record(3, 0x40000000, NOP) + s_record(7, 0x40000000)).encode()
    assert plan(write(records), "--arch", "arm64").format == "SREC"
    with pytest.raises(ImageError, match="is an ELF file, which does not start from flash"):
        plan("--bios", write(b"\x7fELF" + bytes(100)))
    with pytest.raises(UsageError, match="a raw image needs --load, --entry and --arch: --entry not given"):
        plan(write(records), "--load", "0x40000000", "--arch", "arm64")
