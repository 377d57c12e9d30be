# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated device trees, read back by dtc and by libfdt.

Expected values: xen tools/libs/light/libxl_arm.c (4.17); Linux Documentation/devicetree/bindings (6.1).
"""

import random
import re
import struct

import libfdt
import pytest

from coldline.errors import ImageError, PlanError
from coldline.guest import MAX_DEVICE_TREE, XenPlatform, check_device_tree
from coldline.guest.devicetree import extended_regions
from coldline.guest.placement import place_banks
from coldline.image import KernelPiece
from coldline.support.frozen_record import replace
from tests.helpers.device_trees import GIB, INITRD, KERNEL, MIB, get, has, nodes, source, tree
from tests.helpers.images import dtb


def test_the_whole_tree_as_dtc_reads_it() -> None:
    blob = tree(
        memory=3 * GIB + 4096, bootargs="console=ttyAMA0", core_compatible="arm,cortex-a72", initrd=INITRD
    )
    assert (
        source(blob)
        == """\
/dts-v1/;
/ {
model = "coldline";
compatible = "xen,xenvm";
#address-cells = <0x02>;
#size-cells = <0x02>;
interrupt-parent = <0xfde8>;
chosen {
bootargs = "console=ttyAMA0";
linux,initrd-start = <0x00 0x48000000>;
linux,initrd-end = <0x00 0x48000014>;
stdout-path = "/serial@22000000";
};
memory@40000000 {
device_type = "memory";
reg = <0x00 0x40000000 0x00 0xc0000000>;
};
memory@200000000 {
device_type = "memory";
reg = <0x02 0x00 0x00 0x1000>;
};
cpus {
#address-cells = <0x01>;
#size-cells = <0x00>;
cpu@0 {
device_type = "cpu";
compatible = "arm,cortex-a72";
enable-method = "psci";
reg = <0x00>;
};
};
psci {
compatible = "arm,psci-1.0\\0arm,psci-0.2";
method = "hvc";
};
timer {
compatible = "arm,armv8-timer";
interrupts = <0x01 0x0d 0x08 0x01 0x0e 0x08 0x01 0x0b 0x08>;
};
interrupt-controller@3001000 {
compatible = "arm,gic-v3";
#interrupt-cells = <0x03>;
#address-cells = <0x00>;
interrupt-controller;
reg = <0x00 0x3001000 0x00 0x10000 0x00 0x3020000 0x00 0x1000000>;
phandle = <0xfde8>;
};
serial@22000000 {
compatible = "arm,sbsa-uart";
reg = <0x00 0x22000000 0x00 0x1000>;
interrupts = <0x00 0x00 0x04>;
current-speed = <0x1c200>;
};
};""".splitlines()
    )


def test_gicv2() -> None:
    lines = source(tree(gic_version=2, vcpus=3))
    assert 'compatible = "arm,cortex-a15-gic";' in lines
    assert "reg = <0x00 0x3001000 0x00 0x1000 0x00 0x3002000 0x00 0x2000>;" in lines
    # Cores 0 to 2 in bits 8 to 15 of a PPI's flags.
    assert "interrupts = <0x01 0x0d 0x708 0x01 0x0e 0x708 0x01 0x0b 0x708>;" in lines


def test_el2_has_the_hypervisor_s_timer_and_smc() -> None:
    lines = source(tree(exception_level=2))
    assert 'method = "smc";' in lines
    assert "interrupts = <0x01 0x0d 0x08 0x01 0x0e 0x08 0x01 0x0b 0x08 0x01 0x0a 0x08>;" in lines


def test_at_el3_psci_is_the_guest_s_own() -> None:
    program = replace(KERNEL, pieces=(KernelPiece(0x4008_0000, memoryview(bytes(64)), 64),), fixed=True)
    lines = source(tree(kernel=program, exception_level=3))
    assert not [line for line in lines if "psci" in line]
    assert "interrupts = <0x01 0x0d 0x08 0x01 0x0e 0x08 0x01 0x0b 0x08 0x01 0x0a 0x08>;" in lines


def test_affinities_are_of_clusters_of_16() -> None:
    lines = source(tree(vcpus=128))
    cpus = [int(match[1], 16) for line in lines if (match := re.match(r"cpu@(\w+) \{", line))]
    assert cpus == [cluster << 8 | core for cluster in range(8) for core in range(16)]


def test_no_initrd_no_properties() -> None:
    assert not has(tree(), "/chosen", "linux,initrd-start")
    assert not has(tree(), "/chosen", "linux,initrd-end")


def test_initrd_ends_where_it_ends_and_not_at_its_page() -> None:
    blob = tree(initrd=INITRD)
    start, end = (
        struct.unpack(">Q", get(blob, "/chosen", f"linux,initrd-{which}"))[0] for which in ("start", "end")
    )
    assert (start, end - start) == (0x48000000, 20)


def test_size_does_not_depend_on_the_initrd_s_address() -> None:
    small, large = (tree(memory=memory, initrd=INITRD) for memory in (64 * MIB, 512 * MIB))
    assert get(small, "/chosen", "linux,initrd-start") != get(large, "/chosen", "linux,initrd-start")
    assert len(small) == len(large)


def test_bootargs_are_bytes() -> None:
    assert get(tree(bootargs="ü\udcff"), "/chosen", "bootargs") == b"\xc3\xbc\xff\0"


def test_no_serial_port_no_console() -> None:
    blob = tree(serial=False)
    assert not has(blob, "/chosen", "stdout-path")
    assert nodes(blob) == [name for name in nodes(tree()) if name != "serial@22000000"]


def test_a_seed() -> None:
    seed = bytes(range(128))
    assert get(tree(rng_seed=seed), "/chosen", "rng-seed") == seed
    assert not has(tree(), "/chosen", "rng-seed")


NO_UNIT_ADDRESS = ("-W", "no-unit_address_vs_reg")
"""Linux finds the node by this name: xen_early_init, arch/arm/xen/enlighten.c (6.1)."""


def test_a_guest_of_xen() -> None:
    lines = source(tree(memory=512 * MIB, xen=XenPlatform(4, 17, 40)), *NO_UNIT_ADDRESS)
    assert lines[2:4] == ['model = "XENVM-4.17";', 'compatible = "xen,xenvm-4.17\\0xen,xenvm";']
    start = lines.index("hypervisor {")
    assert lines[start + 1 : start + 5] == [
        'compatible = "xen,xen-4.17\\0xen,xen";',
        "reg = <0x00 0x38000000 0x00 0x1000000 0x00 0x60000000 0x00 0xa0000000 0x02 0x00 0xfe 0x00>;",
        "interrupts = <0x01 0x0f 0x08>;",
        "};",
    ]
    assert "interrupts = <0x01 0x0f 0x308>;" in source(
        tree(xen=XenPlatform(4, 17), gic_version=2, vcpus=2), *NO_UNIT_ADDRESS
    )


@pytest.mark.parametrize(
    ("memory", "bits", "regions"),
    [
        # Each to its bank's end, from a 2 MiB boundary on, if 64 MiB or more are left.
        (512 * MIB + 4096, 40, [(0x60200000, 0x9FE00000), (0x200000000, 0xFE00000000)]),
        (3 * GIB - 64 * MIB, 40, [(0xFC000000, 64 * MIB), (0x200000000, 0xFE00000000)]),
        (3 * GIB - 64 * MIB + 4096, 40, [(0x200000000, 0xFE00000000)]),
        (4 * GIB, 40, [(0x240000000, 0xFDC0000000)]),
        (1019 * GIB, 40, []),
        # Address spaces that end earlier.
        (512 * MIB, 32, [(0x60000000, 0xA0000000)]),
        (512 * MIB, 33, [(0x60000000, 0xA0000000)]),
        (512 * MIB, 34, [(0x60000000, 0xA0000000), (0x200000000, 0x200000000)]),
        (512 * MIB, 48, [(0x60000000, 0xA0000000), (0x200000000, 0xFE00000000)]),
    ],
)
def test_extended_regions(memory: int, bits: int, regions: list[tuple[int, int]]) -> None:
    assert extended_regions(place_banks(memory), bits) == regions


# A tree that the user gave.


def given_tree(extra: str = "", cells: tuple[str, str] = ("", "")) -> memoryview:
    return memoryview(
        dtb(f"""/ {{
        compatible = "example,board";
        {cells[0] or "#address-cells = <2>;"}
        {cells[1] or "#size-cells = <2>;"}
        memory@80000000 {{ device_type = "memory"; reg = <0 0x80000000 0 0x1000>; }};
        {extra}
    }};""")
    )


CHOSEN = 'chosen { bootargs = "theirs"; linux,initrd-start = <1>; linux,initrd-end = <2>; keep; };'


def test_given_tree_gets_this_guest_s_memory_and_initrd() -> None:
    given = given_tree(CHOSEN + " memory { reg = <0 0 0 1>; }; device { memory@1 { keep; }; };")
    blob = tree(memory=3 * GIB + 4096, device_tree=given, initrd=INITRD, bootargs="ours")
    assert sorted(nodes(blob)) == ["chosen", "device", "memory@200000000", "memory@40000000"]
    assert get(blob, "/memory@40000000", "reg") == struct.pack(">QQ", 0x40000000, 3 * GIB)
    assert get(blob, "/memory@200000000", "reg") == struct.pack(">QQ", 0x200000000, 4096)
    assert get(blob, "/memory@200000000", "device_type") == b"memory\0"
    assert get(blob, "/chosen", "bootargs") == b"ours\0"
    assert get(blob, "/chosen", "linux,initrd-start") == struct.pack(">Q", 0x48000000)
    assert get(blob, "/chosen", "linux,initrd-end") == struct.pack(">Q", 0x48000014)
    assert has(blob, "/chosen", "keep")
    assert has(blob, "/device/memory@1", "keep")
    assert get(blob, "/", "compatible") == b"example,board\0"
    check_device_tree("out.dtb", memoryview(blob))


def test_given_tree_keeps_its_command_line_and_loses_its_initrd() -> None:
    blob = tree(device_tree=given_tree(CHOSEN))
    assert get(blob, "/chosen", "bootargs") == b"theirs\0"
    assert not has(blob, "/chosen", "linux,initrd-start")


def test_given_tree_without_chosen() -> None:
    assert get(tree(device_tree=given_tree(), bootargs="a"), "/chosen", "bootargs") == b"a\0"


def test_given_tree_is_not_written_to() -> None:
    given = given_tree(CHOSEN)
    before = bytes(given)
    tree(device_tree=given, bootargs="ours")
    assert given == before


def test_given_tree_of_one_cell_holds_what_it_can() -> None:
    one = given_tree(cells=("#address-cells = <1>;", "#size-cells = <1>;"))
    blob = tree(memory=3 * GIB, device_tree=one)
    assert get(blob, "/memory@40000000", "reg") == struct.pack(">II", 0x40000000, 3 * GIB)
    with pytest.raises(ImageError) as caught:
        tree(memory=4 * GIB, device_tree=one, device_tree_path="board.dtb")
    assert str(caught.value) == (
        "board.dtb: the device tree's root has 1 cell for 0x200000000: memory needs 2"
    )


@pytest.mark.parametrize(
    "cells", ["#address-cells = <3>;", "#address-cells = <0>;", "#address-cells = [02];"]
)
def test_given_tree_of_odd_cells(cells: str) -> None:
    with pytest.raises(ImageError, match=r"root has #address-cells of .*; it must be 1 or 2"):
        tree(device_tree=given_tree(cells=(cells, "")))


def test_given_tree_with_many_memory_nodes() -> None:
    many = " ".join(f"memory@{n:x} {{ }};" for n in range(1, 3000))
    assert sorted(nodes(tree(device_tree=given_tree(many)))) == ["chosen", "memory@40000000"]


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (b"", "not a flattened device tree: FDT_ERR_TRUNCATED"),
        (b"\xd0\x0d\xfe\xed", "not a flattened device tree: FDT_ERR_TRUNCATED"),
        (bytes(100), "not a flattened device tree: FDT_ERR_BADMAGIC"),
        (bytes(MAX_DEVICE_TREE + 1), "the device tree has 2097153 bytes; arm64 Linux accepts up to 2 MiB"),
    ],
)
def test_what_is_not_a_device_tree(blob: bytes, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        check_device_tree("x.dtb", memoryview(blob))
    assert str(caught.value) == f"x.dtb: {words}"
    with pytest.raises(ImageError):
        tree(device_tree=memoryview(blob))


def test_truncated_at_every_length() -> None:
    blob = tree(initrd=INITRD)
    check_device_tree("x.dtb", memoryview(blob))
    for length in range(len(blob)):
        with pytest.raises(ImageError):
            check_device_tree("x.dtb", memoryview(blob)[:length])


def test_version_16_is_refused() -> None:
    old = bytearray(tree())
    old[20:28] = struct.pack(">II", 16, 16)
    with pytest.raises(ImageError, match="it has version 16; 17 is needed"):
        check_device_tree("x.dtb", memoryview(old))


def test_blocks_that_overlap_are_refused() -> None:
    # Without its terminator the memory reservation block, at 40, runs on into the structure block, at 56, to
    # the zeros there. libfdt's own check takes that; its edits then write outside their buffer.
    blob = bytearray(given_tree(f"pad {{ zeros = [{'00' * 40}]; }};"))
    assert blob[40:56] == bytes(16)
    blob[55] = 1
    assert libfdt.fdt_check_full(blob, len(blob)) == 0
    with pytest.raises(ImageError) as caught:
        check_device_tree("x.dtb", memoryview(blob))
    assert re.fullmatch(
        r"x.dtb: not a flattened device tree: its structure block \(at byte 56\) starts inside its "
        r"memory reservation block \(40-\d+\)",
        str(caught.value),
    )


def test_a_padded_tree_is_taken() -> None:
    check_device_tree("x.dtb", memoryview(tree() + bytes(100)))


def test_a_damaged_tree_is_planned_or_refused_and_nothing_else() -> None:
    blob = tree(initrd=INITRD)
    generator = random.Random(1)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(blob)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.choice(
                (0, 1, 3, 9, 255, generator.randrange(256))
            )
        try:
            tree(device_tree=memoryview(damaged), initrd=INITRD, bootargs="ours")
        except (ImageError, PlanError):
            refused += 1
    assert 0 < refused < 2000


def test_a_tree_that_grows_above_2_mib_is_refused() -> None:
    filler = libfdt.Fdt(tree())
    room = MAX_DEVICE_TREE - 64
    filler.resize(room)
    filler.setprop(0, "filler", bytes(room - filler.off_dt_strings() - filler.size_dt_strings() - 64))
    filler.pack()
    given = memoryview(bytes(filler.as_bytearray()))
    assert MAX_DEVICE_TREE - 256 < given.nbytes <= MAX_DEVICE_TREE
    assert len(tree(device_tree=given)) <= MAX_DEVICE_TREE
    with pytest.raises(PlanError, match=r"dtb \(.*\) is too large: arm64 Linux accepts up to 2 MiB"):
        tree(device_tree=given, bootargs="x" * 2000)
