# SPDX-License-Identifier: GPL-2.0-or-later
"""Partial device trees, merged by libxl's rules.

Expected values: xen tools/libs/light/libxl_arm.c (4.17), copy_partial_fdt; Devicetree Specification 0.4.
"""

import random
import struct
import time
from typing import Any

import libfdt
import pytest

from coldline.errors import ImageError, PlanError
from coldline.guest import MAX_DEVICE_TREE, GuestOptions, check_device_tree, make_plan
from coldline.support.frozen_record import replace
from tests.helpers.device_trees import INITRD, KERNEL, get, nodes, source, tree
from tests.helpers.images import dtb, run

MIB = 1 << 20
DEVICE = """/ {
    #address-cells = <2>;
    #size-cells = <2>;
    aliases { net = &mac0; };
    gic: interrupt-controller { #interrupt-cells = <3>; interrupt-controller; phandle = <0xfde8>; };
    chosen { bootargs = "not copied"; };
    passthrough {
        compatible = "simple-bus";
        ranges;
        #address-cells = <2>;
        #size-cells = <2>;
        mac0: ethernet@10000000 {
            compatible = "calxeda,hb-xgmac";
            reg = <0 0x10000000 0 0x1000>;
            interrupt-parent = <&gic>;
            interrupts = <0 80 4>;
            clocks = <&clock>;
            clock: clock { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <156250000>; };
        };
    };
};"""


def merged(text: str, **options: Any) -> bytes:
    # -f: dtc looks at phandles too.
    blob = run("dtc", "-f", "-q", "-I", "dts", "-O", "dtb", data=f"/dts-v1/;{text}".encode())
    return tree(partial_tree=memoryview(blob), partial_tree_path="device.dtb", **options)


def refused(text: str) -> str:
    with pytest.raises(ImageError) as caught:
        merged(text)
    assert str(caught.value).startswith("device.dtb: ")
    return str(caught.value).removeprefix("device.dtb: ")


def test_passthrough_and_aliases_with_all_below_them() -> None:
    lines = source(merged(DEVICE))
    start = lines.index("passthrough {")
    assert lines[start:] == [
        "passthrough {", 'compatible = "simple-bus";', "ranges;", "#address-cells = <0x02>;", "#size-cells = <0x02>;",
        "ethernet@10000000 {", 'compatible = "calxeda,hb-xgmac";', "reg = <0x00 0x10000000 0x00 0x1000>;",
        "interrupt-parent = <0xfde8>;", "interrupts = <0x00 0x50 0x04>;", "clocks = <0x01>;",
        "clock {", 'compatible = "fixed-clock";', "#clock-cells = <0x00>;", "clock-frequency = <0x9502f90>;",
        "phandle = <0x01>;", "};", "};", "};",
        "aliases {", 'net = "/passthrough/ethernet@10000000";', "};", "};",
    ]  # fmt: skip


def test_what_was_generated_is_unchanged() -> None:
    generated, both = (
        source(blob)
        for blob in (tree(bootargs="ours", initrd=INITRD), merged(DEVICE, bootargs="ours", initrd=INITRD))
    )
    assert both[: len(generated) - 1] == generated[:-1]
    assert "not copied" not in "".join(both)


def test_aliases_need_not_be_there() -> None:
    blob = merged("/ { passthrough { }; };")
    assert nodes(blob) == [*nodes(tree()), "passthrough"]


@pytest.mark.parametrize(
    "text", ["/ { };", "/ { passthrough@0 { }; aliases { }; };", "/ { a { passthrough { }; }; };"]
)
def test_passthrough_has_to_be_there(text: str) -> None:
    assert refused(text) == (
        "has no /passthrough: only /passthrough and /aliases of a partial device tree are used; "
        "use --dtb-only for a complete one"
    )


def test_phandles() -> None:
    # 65000 outside of what is copied is how a source names the guest's interrupt controller.
    assert get(merged("/ { gic { phandle = <65000>; }; passthrough { a { phandle = <64999>; }; }; };"),
               "/passthrough/a", "phandle") == struct.pack(">I", 64999)  # fmt: skip
    assert refused("/ { passthrough { a { phandle = <65000>; }; }; };") == (
        "/passthrough/a has phandle 0xfde8, which the guest's interrupt controller uses"
    )
    assert refused("/ { passthrough { a { linux,phandle = <7>; }; b { c { phandle = <7>; }; }; }; };") == (
        "/passthrough/b/c has phandle 0x7, which /passthrough/a has as well"
    )
    merged("/ { passthrough { a { linux,phandle = <7>; phandle = <7>; }; }; };")
    for bad in ("phandle = <0>;", "phandle = <0xffffffff>;", "phandle = [07];", "phandle;",
                "phandle = <7>; linux,phandle = <8>;"):  # fmt: skip
        assert refused(f"/ {{ passthrough {{ a {{ {bad} }}; }}; }};") == (
            "/passthrough/a has an invalid phandle, or two"
        )


def test_it_goes_before_a_tree_that_comes_with_the_kernel_and_not_with_a_whole_one() -> None:
    whole = memoryview(dtb('/ { compatible = "example,board"; };'))
    kernel = replace(KERNEL, device_tree=whole)
    assert get(tree(kernel=kernel), "/", "compatible") == b"example,board\0"
    assert "passthrough" in nodes(merged(DEVICE, kernel=kernel))
    with pytest.raises(PlanError) as caught:
        merged(DEVICE, device_tree=whole, device_tree_path="board.dtb")
    assert str(caught.value) == (
        "device.dtb would be merged into the generated device tree, but board.dtb replaces that"
    )


def test_deep_and_wide_and_beyond() -> None:
    deep = "a { " * 30 + "}; " * 30
    assert (
        libfdt.Fdt(merged(f"/ {{ passthrough {{ {deep} }}; }};")).path_offset("/passthrough" + "/a" * 30) > 0
    )
    deeper = "a { " * 32 + "}; " * 32
    assert "is deeper than 32 nodes" in refused(f"/ {{ passthrough {{ {deeper} }}; }};")
    twice = dtb("/ { passthrough { nodes { }; edges { }; }; };").replace(b"edges", b"nodes")
    with pytest.raises(ImageError, match="has two nodes called 'nodes'"):
        tree(partial_tree=memoryview(twice))


def test_a_merged_tree_above_2_mib_is_refused() -> None:
    half = "00" * (MAX_DEVICE_TREE - 600)
    merged_size = f"/ {{ passthrough {{ a = [{half}]; }}; }};"
    with pytest.raises(PlanError, match=r"dtb \(.*\) is too large: arm64 Linux accepts up to 2 MiB"):
        merged(merged_size)


def test_a_tree_of_many_names_takes_no_time() -> None:
    # 80,000 properties, each of a name of its own: libfdt's own way of adding them compares them all.
    words = bytearray(struct.pack(">I", 1) + b"\0\0\0\0" + struct.pack(">I", 1) + b"passthrough\0")
    strings = b""
    for node in range(320):
        words += struct.pack(">I", 1) + b"n%06d\0" % node
        for name in range(250):
            words += struct.pack(">III", 3, 0, len(strings))
            strings += b"%x.%d\0" % (node, name)
        words += struct.pack(">I", 2)
    words += struct.pack(">IIII", 2, 2, 9, 9)[:12]
    header = struct.pack(
        ">10I",
        0xD00DFEED,
        56 + len(words) + len(strings),
        56,
        56 + len(words),
        40,
        17,
        16,
        0,
        len(strings),
        len(words),
    )
    blob = header + bytes(16) + words + strings
    assert len(blob) <= MAX_DEVICE_TREE
    start = time.process_time()
    merged_tree = tree(partial_tree=memoryview(blob))
    assert time.process_time() - start < 5
    assert get(merged_tree, "/passthrough/n000319", "13f.249") == b""


def test_damaged_trees_are_merged_or_refused_and_nothing_else() -> None:
    blob = dtb(DEVICE)
    generator = random.Random(1)
    refusals = 0
    for _ in range(2000):
        damaged = bytearray(blob)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.choice(
                (0, 1, 3, 9, 255, generator.randrange(256))
            )
        try:
            both = tree(partial_tree=memoryview(damaged), initrd=INITRD, bootargs="ours")
        except (ImageError, PlanError):
            refusals += 1
        else:
            check_device_tree("merged", memoryview(both))
            assert get(both, "/chosen", "bootargs") == b"ours\0"
    assert 0 < refusals < 2000


def test_the_plan_does_not_change_what_was_given() -> None:
    given = memoryview(dtb(DEVICE))
    before = bytes(given)
    make_plan(KERNEL, GuestOptions(memory=64 * MIB, partial_tree=given))
    assert given == before
