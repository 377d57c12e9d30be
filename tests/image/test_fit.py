# SPDX-License-Identifier: GPL-2.0-or-later
"""FIT images, made by mkimage and dtc, valid and broken."""

import hashlib
import re
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldline.errors import ImageError, UsageError
from coldline.guest import GuestOptions, make_plan
from coldline.image import load_kernel
from coldline.image.flat_tree import MAX_NODE_DEPTH, MAX_NODES, MAX_PROPERTIES
from tests.helpers.images import arm64_image, dtb, mkimage_fit, pack, zboot, zimage

MIB = 1 << 20
ONE = arm64_image(size=6001, fill=b"one")
TWO = arm64_image(size=5000, fill=b"two")
INITRD = b"initrd of 20 bytes.."
HASHES = ("crc16-ccitt", "crc32", "md5", "sha1", "sha256", "sha384", "sha512")


def image(
    name: str,
    file: str,
    kind: str,
    *,
    compression: str = "none",
    hashes: tuple[str, ...] = ("sha256",),
    more: str = "",
) -> str:
    nodes = "".join(f'hash-{number} {{ algo = "{algo}"; }}; ' for number, algo in enumerate(hashes, 1))
    return (
        f'{name} {{ description = "{name}"; data = /incbin/("{file}"); type = "{kind}"; arch = "arm64"; '
        f'os = "linux"; compression = "{compression}"; {more} {nodes} }};\n'
    )


PLACED = "load = <0x40080000>; entry = <0x40080000>;"


def fit_source(*images: str, configurations: str, default: str = 'default = "conf-1";') -> str:
    return (
        f'/ {{ description = "a FIT"; #address-cells = <1>;\nimages {{\n{"".join(images)} }};\n'
        f"configurations {{ {default} {configurations} }}; }};\n"
    )


TREE = '/ { compatible = "x"; #address-cells = <2>; #size-cells = <2>; note = "the FIT\'s own"; };'


@pytest.fixture
def whole(tmp_path: Path) -> Callable[..., bytes]:
    """A FIT with two configurations: options of mkimage in, its bytes out."""

    def make(
        *options: str, one: bytes = ONE, compression: str = "none", hashes: tuple[str, ...] = HASHES
    ) -> bytes:
        source = fit_source(
            image("kernel-1", "one", "kernel", compression=compression, hashes=hashes, more=PLACED),
            image("kernel-2", "two", "kernel", more=PLACED),
            image("ramdisk-1", "initrd", "ramdisk"),
            image("fdt-1", "tree", "flat_dt"),
            configurations='conf-1 { kernel = "kernel-1"; ramdisk = "ramdisk-1"; fdt = "fdt-1"; };'
            'conf-2 { kernel = "kernel-2"; loadables = "ramdisk-1"; };',
        )
        return mkimage_fit(tmp_path, source, *options, one=one, two=TWO, initrd=INITRD, tree=dtb(TREE))

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write_file(data: bytearray | bytes) -> str:
        path = tmp_path / "kernel"
        path.write_bytes(data)
        return str(path)

    return write_file


def reason(path: str, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        load_kernel(path, **options)
    assert caught.value.path == path
    assert caught.value.reason.isprintable()
    return caught.value.reason


INSIDE, BEHIND, AT = (), ("-E",), ("-E", "-p", "0x3000")


@pytest.mark.parametrize("options", [INSIDE, BEHIND, ("-E", "-B", "0x1000"), AT])
def test_the_default_configuration(
    whole: Callable[..., bytes], write: Callable[..., str], options: tuple[str, ...]
) -> None:
    kernel = load_kernel(write(whole(*options)))
    assert (kernel.format, kernel.architecture, kernel.layers) == ("Image", "arm64", ("FIT",))
    assert (kernel.pieces[0].data, kernel.initrd, kernel.device_tree) == (ONE, INITRD, dtb(TREE))
    assert kernel.notes == (
        "used its FIT's configuration 'conf-1'",
        "its FIT image 'kernel-1' says load 0x40080000 and entry 0x40080000: not used, "
        "the Image says where it goes",
    )


def test_a_configuration_by_name(whole: Callable[..., bytes], write: Callable[..., str]) -> None:
    path = write(whole())
    kernel = load_kernel(path, configuration="conf-2")
    assert (kernel.pieces[0].data, kernel.initrd, kernel.device_tree) == (TWO, None, None)
    assert "ignored 'loadables' of that configuration" in kernel.notes
    for wanted in ("conf-3", "conf", "", "conf-1@1"):
        with pytest.raises(UsageError) as caught:
            load_kernel(path, configuration=wanted)
        assert str(caught.value) == f"{path} has no configuration '{wanted}'; choose from: conf-1, conf-2"


def test_a_plan_takes_what_the_fit_has(whole: Callable[..., bytes], write: Callable[..., str]) -> None:
    kernel = load_kernel(write(whole()))
    segments = {
        each.name: bytes(each.data[:]) for each in make_plan(kernel, GuestOptions(memory=64 * MIB)).segments
    }
    assert segments["initrd"] == INITRD
    assert b"the FIT's own" in segments["dtb"]
    given = GuestOptions(
        memory=64 * MIB, initrd=memoryview(b"other"), device_tree=memoryview(dtb(TREE.replace("own", "not")))
    )
    segments = {each.name: bytes(each.data[:]) for each in make_plan(kernel, given).segments}
    assert segments["initrd"] == b"other"
    assert b"the FIT's not" in segments["dtb"]


@pytest.mark.parametrize(
    ("compression", "method"),
    [("gzip", "gzip"), ("bzip2", "bzip2"), ("lzma", "lzma"), ("lzo", "lzop"), ("lz4", "lz4"),
     ("lz4", "lz4 (legacy)"), ("zstd", "zstd")],
)  # fmt: skip
def test_compressed_kernels(
    whole: Callable[..., bytes], write: Callable[..., str], compression: str, method: str
) -> None:
    data = whole(one=pack(method, ONE), compression=compression)
    kernel = load_kernel(write(data))
    assert (kernel.layers, kernel.pieces[0].data) == (("FIT", method), ONE)
    kernel = load_kernel(write(pack("xz", data)))
    assert (kernel.layers, kernel.pieces[0].data) == (("xz", "FIT", method), ONE)


def test_what_a_kernel_of_a_fit_may_be(whole: Callable[..., bytes], write: Callable[..., str]) -> None:
    kernel = load_kernel(write(whole(one=zboot(pack("zstd", ONE), b"zstd22"))))
    assert (kernel.layers, kernel.format) == (("FIT", "EFI zboot", "zstd"), "Image")
    kernel = load_kernel(write(whole(one=b"\x1f\x20\x03\xd5" * 100)))
    assert (kernel.format, kernel.pieces[0].address, kernel.entry) == ("raw", 0x40080000, 0x40080000)
    assert reason(write(whole(one=zimage()))) == (
        "inside FIT: its FIT image 'kernel-1' says that it is for arm64, but its zImage is for arm32"
    )
    assert reason(write(whole(one=ONE, compression="gzip"))) == (
        "inside FIT: its FIT image 'kernel-1' says that it is compressed with gzip, but it is not compressed"
    )
    nested = whole(one=whole())
    assert reason(write(nested)) == "inside FIT: is FIT inside FIT, which is not supported"


# Hashes.


@pytest.mark.parametrize("options", [INSIDE, BEHIND])
@pytest.mark.parametrize("algorithm", HASHES)
def test_a_flipped_bit_breaks_each_hash(
    whole: Callable[..., bytes], write: Callable[..., str], algorithm: str, options: tuple[str, ...]
) -> None:
    data = bytearray(whole(*options, hashes=(algorithm,)))
    data[data.index(ONE) + 100] ^= 1
    said = reason(write(data))
    assert re.fullmatch(
        rf"'hash-1' of its image 'kernel-1' says {algorithm} [0-9a-f]+, but the data has [0-9a-f]+: corrupt",
        said,
    )
    assert load_kernel(write(data), configuration="conf-2").pieces[0].data == TWO


def test_a_hash_of_the_initrd_and_the_tree(whole: Callable[..., bytes], write: Callable[..., str]) -> None:
    for what, name in ((INITRD, "ramdisk-1"), (b"own", "fdt-1")):
        data = bytearray(whole())
        data[data.index(what)] ^= 1
        assert f"'hash-1' of its image '{name}' says sha256" in reason(write(data))


def test_a_wrong_hash_is_the_one_told(whole: Callable[..., bytes], write: Callable[..., str]) -> None:
    good = hashlib.sha256(ONE).digest()
    data = whole(hashes=("crc32", "sha256"))
    assert reason(write(data.replace(good, bytes(32)))) == (
        f"'hash-2' of its image 'kernel-1' says sha256 {'00' * 32}, but the data has {good.hex()}: corrupt"
    )
    assert reason(write(data.replace(b"crc32\0", b"crc33\0"))) == (
        "'hash-1' of its image 'kernel-1' has unknown algo 'crc33'; supported are " + ", ".join(HASHES)
    )


def test_without_hashes_it_is_taken(whole: Callable[..., bytes], write: Callable[..., str]) -> None:
    assert load_kernel(write(whole(hashes=()))).pieces[0].data == ONE


# What a FIT has to say.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('default = "conf-1";', ""), "is a FIT without a default configuration: "
         "choose one with --fit-config: conf-1"),
        (('default = "conf-1"', 'default = "conf"'), "its default configuration 'conf' does not exist; "
         "it has: conf-1"),
        (('default = "conf-1"', 'default = "a", "b"'), "its default of /configurations is not a single ASCII string"),
        (('kernel = "k";', ""), "its configuration 'conf-1' names no kernel, firmware or loadables"),
        (('kernel = "k"', 'kernel = "other"'), "its configuration 'conf-1' names kernel 'other', "
         "which is not in /images"),
        (('kernel = "k"', 'kernel = "k", "k"'), "its configuration 'conf-1' names more than one kernel: "
         "coldline supports one, without overlays"),
        (('kernel = "k"', "kernel"), "its kernel of configuration 'conf-1' is not a single ASCII string"),
        (('type = "kernel"', 'type = "firmware"'), "its image 'k' is of type 'firmware', "
         "not kernel or kernel_noload"),
        (('type = "kernel";', ""), "its image 'k' has no type"),
        (('arch = "arm64"', 'arch = "riscv"'), "its image 'k' has arch 'riscv', which coldline does not support"),
        (('compression = "none"', 'compression = "lz5"'), "its image 'k' has compression 'lz5', "
         "which coldline does not support"),
        (("data = [1f2003d5];", ""), "its image 'k' has no data"),
        (("data = [1f2003d5];", "data;"), "its image 'k' is empty"),
        (("load = <0x40080000>", "load = <1 2 3>"), "its image 'k' has load of 12 bytes, not 4 or 8"),
        (("/**/", "cipher { };"), "its image 'k' is encrypted"),
        (("load = <0x40080000>;", ""), "inside FIT: has no known format, and its FIT image 'k' does not give "
         "where to load it"),
        (('type = "kernel"', 'type = "kernel_noload"'), "inside FIT: has no known format, and its FIT image 'k' "
         "does not give where to load it or where to enter it"),
        (("/**/", "hash-1 { };"), "'hash-1' of its image 'k' has no algo"),
        (("/**/", 'hash-1 { algo = "crc32"; };'), "'hash-1' of its image 'k' has no value"),
        (("images {", "pictures {"), "is a flattened device tree without /images: a dtb, not a FIT"),
        (("configurations {", "others {"), "is a FIT without /configurations, "
         "which would say what to load"),
    ],
)  # fmt: skip
def test_a_fit_that_says_too_little_or_too_much(
    change: tuple[str, str], said: str, write: Callable[..., str]
) -> None:
    source = fit_source(
        f'k {{ type = "kernel"; arch = "arm64"; compression = "none"; data = [1f2003d5]; {PLACED} /**/ }};',
        configurations='conf-1 { kernel = "k"; };',
    )
    # By dtc alone: mkimage refuses some of these.
    assert load_kernel(write(dtb(source))).format == "raw"
    assert change[0] in source
    assert reason(write(dtb(source.replace(*change)))) == said


# External data.


def external(**numbers: int) -> bytes:
    properties = " ".join(f"{name.replace('_', '-')} = <{value:#x}>;" for name, value in numbers.items())
    return dtb(
        fit_source(
            f'k {{ type = "kernel"; arch = "arm64"; compression = "none"; {PLACED} {properties} }};',
            configurations='conf-1 { kernel = "k"; };',
        )
    )


def test_data_behind_the_tree_on_both_sides(write: Callable[..., str]) -> None:
    end = -(-len(external(data_offset=0, data_size=0)) // 4) * 4
    for numbers in ({"data_offset": 0}, {"data_position": end}, {"data_offset": 8}):
        tree = external(**numbers, data_size=len(ONE))
        start = numbers.get("data_position", end + numbers.get("data_offset", 0))
        data = tree.ljust(start, b"\0") + ONE
        assert load_kernel(write(data)).pieces[0].data == ONE
        assert reason(write(data[:-1])) == (
            f"its image 'k', 6001 bytes from byte {start} on, is not between the end of the tree "
            f"(byte {len(tree)}) and the end of the file ({len(data) - 1})"
        )
    inside = external(data_position=len(tree) - 4, data_size=64)
    assert "is not between the end of the tree" in reason(write(inside + bytes(100)))
    for numbers in ({"data_offset": 2**32 - 1}, {"data_position": 2**32 - 1}, {"data_offset": 2**64 - 1}):
        numbers = {name: value & 0xFFFFFFFF for name, value in numbers.items()}
        assert "is not between the end of the tree" in reason(
            write(external(**numbers, data_size=2**32 - 1) + ONE)
        )
    assert reason(write(external(data_offset=0) + ONE)) == "its image 'k' has no data"
    assert reason(write(external(data_offset=0, data_size=0) + ONE)) == "its image 'k' is empty"


# The tree itself.


def tree_of(structure: bytes, strings: bytes = b"", *, version: int = 17) -> bytes:
    """A flattened device tree by hand: Devicetree Specification 0.4, 5."""
    size = 56 + len(structure) + len(strings)
    head = struct.pack(
        ">10I", 0xD00DFEED, size, 56, 56 + len(structure), 40, version, 16, 0, len(strings), len(structure)
    )
    return head + bytes(16) + structure + strings


BEGIN, END, NOP, FINISH = (struct.pack(">I", tag) for tag in (1, 2, 4, 9))


def node(name: str, *inside: bytes) -> bytes:
    text = name.encode() + b"\0"
    return BEGIN + text.ljust(-(-len(text) // 4) * 4, b"\0") + b"".join(inside) + END


def test_depth_is_limited(write: Callable[..., str]) -> None:
    def deep(levels: int) -> bytes:
        return tree_of(BEGIN + bytes(4) + (BEGIN + b"a\0\0\0") * levels + END * (levels + 1) + FINISH)

    assert "without /images" in reason(write(deep(MAX_NODE_DEPTH)))
    assert reason(write(deep(MAX_NODE_DEPTH + 1))).startswith(
        f"its flattened device tree is deeper than {MAX_NODE_DEPTH} nodes"
    )
    start = time.process_time()
    assert "is deeper than" in reason(write(deep(500_000)))
    assert time.process_time() - start < 1


def test_nodes_are_limited(write: Callable[..., str]) -> None:
    def wide(nodes: int) -> bytes:
        return tree_of(node("", node("images", *(node(f"n{number}") for number in range(nodes)))) + FINISH)

    assert "without /configurations" in reason(write(wide(MAX_NODES - 2)))
    assert reason(write(wide(MAX_NODES - 1))) == f"its flattened device tree has more than {MAX_NODES} nodes"
    start = time.process_time()
    assert "more than" in reason(write(wide(200_000)))
    assert "without /images" in reason(write(tree_of(node("", NOP * 1_000_000) + FINISH)))
    assert time.process_time() - start < 2


def test_properties_are_limited(write: Callable[..., str]) -> None:
    def rich(count: int) -> bytes:
        properties = b"".join(struct.pack(">III", 3, 0, 3 * number) for number in range(count))
        strings = b"".join(b"%c%c\0" % (97 + number // 26, 97 + number % 26) for number in range(count))
        return tree_of(node("", node("images"), node("configurations", properties)) + FINISH, strings)

    assert "without a default" in reason(write(rich(MAX_PROPERTIES)))
    assert f"has a node of more than {MAX_PROPERTIES} properties" in reason(write(rich(MAX_PROPERTIES + 1)))


def test_names_are_there_once(write: Callable[..., str]) -> None:
    twice = tree_of(node("", node("images"), node("images")) + FINISH)
    assert reason(write(twice)) == "has two nodes called 'images', one at byte 80"
    properties = struct.pack(">III", 3, 0, 0) * 2
    tree = tree_of(node("", node("images"), node("configurations", properties)) + FINISH, b"default\0")
    assert "has two properties 'default' in one node" in reason(write(tree))


def test_blocks_that_overlap(whole: Callable[..., bytes], write: Callable[..., str]) -> None:
    data = bytearray(whole())
    struct.pack_into(">I", data, 12, struct.unpack_from(">I", data, 8)[0] + 8)
    assert "its flattened device tree is malformed" in reason(write(data))


def test_a_fit_cut_anywhere(whole: Callable[..., bytes], write: Callable[..., str]) -> None:
    data = whole()
    for length in (*range(4, 60), *range(60, len(data), 501), len(data) - 1):
        said = reason(write(data[:length]))
        assert said.startswith(("has ", "its flattened device tree has ")), said
    assert reason(write(data[:39])) == "has 39 bytes; a flattened device tree has a header of 40"
    assert reason(write(data[:1000])) == (
        f"its flattened device tree has {len(data)} bytes (at byte 4), but 1000 are there: truncated"
    )


def test_many_hashes_are_computed_once(write: Callable[..., str]) -> None:
    data = bytes(1 << 20)
    value = zlib.crc32(data)
    nodes = "".join(f'hash-{number} {{ algo = "crc32"; value = <{value:#x}>; }};' for number in range(2000))
    source = fit_source(
        f'k {{ type = "kernel"; arch = "arm64"; compression = "none"; {PLACED} data-offset = <0>; '
        f"data-size = <{len(data):#x}>; {nodes} }};",
        configurations='conf-1 { kernel = "k"; };',
    )
    tree = dtb(source)
    start = time.process_time()
    assert load_kernel(write(tree.ljust(-(-len(tree) // 4) * 4, b"\0") + data)).format == "raw"
    assert time.process_time() - start < 0.5
