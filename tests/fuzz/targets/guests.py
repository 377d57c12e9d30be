# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole plans: user-supplied device trees, and all inputs of a guest together."""

import json
import struct
import zlib
from xml.etree import ElementTree

from libfdt import NOTFOUND, Fdt, fdt_check_full

from coldline.guest import GuestOptions, Plan, make_plan
from coldline.guest.placement import check_segments
from coldline.guest.tree_machine import describe_machine
from coldline.image import Kernel
from coldline.image.content import Allowance, Content
from coldline.image.format_detection import recognise
from coldline.report.map_drawing import drawing
from coldline.report.memory_map import map_table, plan_document
from coldline.support.units import PAGE_SIZE
from tests.fuzz import seeds, tree_seeds
from tests.fuzz.target import Target

MIB = 1 << 20
_SELDOM = 1
_INITRD = memoryview(bytes(range(200)))
_KERNEL = recognise(Content("fuzz", memoryview(seeds.images()[0]), Allowance(0)), None, None)
_PARTS = struct.Struct("<BBHH")
"""Which options; the first vCPUs; bytes of the image, bytes of the device tree: the rest is the initrd."""

_MEMORY = (
    2 * MIB,
    16 * MIB,
    64 * MIB,
    128 * MIB,
    129 * MIB,
    1024 * MIB,
    3072 * MIB,
    3073 * MIB,
    1019 << 30,
    1 << 20,
)


def _whole(data: bytes) -> None:
    """--dtb-only."""
    options = GuestOptions(
        memory=64 * MIB,
        bootargs="a=b" if data[-1:] < b"\x80" else "",
        device_tree=memoryview(data),
        initrd=_INITRD,
    )
    _check(make_plan(_KERNEL, options), _KERNEL)


def _described(data: bytes) -> None:
    """--dtb-only, as the description of a machine."""
    machine = describe_machine("fuzz", memoryview(data))
    assert 1 <= len(machine.ram) <= 4
    assert all(each.size and not (each.base | each.size) % PAGE_SIZE for each in machine.ram)
    assert all(each.end <= 1 << 40 for each in machine.ram)
    assert all(each.end <= 1 << 40 for each in machine.serials)
    for pair in (machine.gicv2, machine.gicv2_virtual, machine.gicv3):
        assert pair is None or all(each.end <= 1 << 40 for each in pair)


def _partial(data: bytes) -> None:
    """--dtb."""
    options = GuestOptions(memory=64 * MIB, partial_tree=memoryview(data))
    _check(make_plan(_KERNEL, options), _KERNEL)


def _guest(data: bytes) -> None:
    """A guest from an image, options, an initrd and a device tree, whole or partial."""
    if len(data) < _PARTS.size:
        return
    choice, vcpus, image_size, tree_size = _PARTS.unpack_from(data)
    at = _PARTS.size
    image, rest = data[at : at + image_size], data[at + image_size :]
    tree, initrd = rest[:tree_size], rest[tree_size:]
    kernel = recognise(Content("fuzz", memoryview(image), Allowance(MIB)), None, None)
    options = GuestOptions(
        memory=_MEMORY[choice % len(_MEMORY)],
        vcpus=vcpus & 0xF,
        gic_version=2 if vcpus & 0x10 else 3,
        exception_level=2 if vcpus & 0x20 else 1,
        initrd=memoryview(initrd) if initrd else None,
        device_tree=memoryview(tree) if tree and vcpus & 0x40 else None,
        partial_tree=memoryview(tree) if tree and vcpus & 0x80 else None,
    )
    _check(make_plan(kernel, options), kernel)


def _check(plan: Plan, kernel: Kernel) -> None:
    """Check what holds for every plan."""
    check_segments(plan.banks, plan.segments)
    assert any(each.address <= plan.registers.pc < each.end for each in plan.segments)
    for each in plan.segments:
        assert each.address % PAGE_SIZE == each.size % PAGE_SIZE == 0
    (blob,) = [bytearray(each.data[:]) for each in plan.segments if each.name == "dtb"]
    assert fdt_check_full(blob, len(blob)) == 0
    tree = Fdt(blob)
    found = 0
    node = tree.first_subnode(0, quiet=(NOTFOUND,))
    while node >= 0:
        found += tree.get_name(node).startswith("memory@")
        node = tree.next_subnode(node, quiet=(NOTFOUND,))
    assert found == len(plan.banks)
    json.dumps(plan_document(kernel, plan))
    if not zlib.crc32(blob) % _SELDOM:
        assert map_table(plan).replace("\n", "").isprintable()
        ElementTree.fromstring(drawing(kernel, plan))


def _seeds() -> list[bytes]:
    found = []
    trees = [b"", *tree_seeds.whole()[:2], *tree_seeds.partial()[:2]]
    images = [
        *seeds.images(),
        *seeds.zimages(),
        *seeds.elves(),
        *seeds.fits()[:2],
        *seeds.compressed("gzip")[5:6],
    ]
    for number, image in enumerate(images):
        tree = trees[number % len(trees)]
        flag = 0 if number % len(trees) == 0 else 0x40 if number % len(trees) < 3 else 0x80
        for choice in (1, 5 + number % 4):
            head = _PARTS.pack(choice, 1 + number | flag, len(image), len(tree))
            found.append(head + image + tree + b"initrd" * (number % 2))
    return found


TARGETS = {
    "dtb-only": Target(_whole, tree_seeds.whole),
    "machine": Target(_described, tree_seeds.whole),
    "dtb": Target(_partial, tree_seeds.partial),
    "plan": Target(_guest, _seeds, weight=50),
}
