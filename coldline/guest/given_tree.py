# SPDX-License-Identifier: GPL-2.0-or-later
"""A device tree that the user gave: checked, and told where this guest's RAM and initrd are."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coldline.errors import ImageError
from coldline.guest.devicetree import chosen_properties
from coldline.guest.layout import AddressRange, exact_size_text
from coldline.guest.plan import Bank
from coldline.image.content import Allowance, Content
from coldline.image.flat_tree import FlatTree, block_layout_error
from coldline.support.units import MIB

if TYPE_CHECKING:
    from libfdt import Fdt

MAX_DEVICE_TREE = 2 * MIB
"""Bytes: Linux Documentation/arch/arm64/booting.rst, section 2."""

_ROOT = 0
_CHOSEN = "chosen"
_SPARE = 4096
"""Bytes that what is added here takes at the most, but for the command line and the name of its node."""


def check_device_tree(path: str, blob: memoryview) -> None:
    """Check that `blob` is a whole flattened device tree that can be walked safely.

    Parameters
    ----------
    path : str
        The file, for messages.
    blob : memoryview
        Its bytes; what follows the tree is ignored.

    Raises
    ------
    ImageError
        If it is not, is above `MAX_DEVICE_TREE` or a limit of `coldline.image.flat_tree`, or has twice what is
        edited.
    """
    _open(path, blob)


def with_chosen(
    path: str, blob: memoryview, *, banks: Sequence[Bank], bootargs: bytes, initrd: AddressRange | None
) -> bytes:
    """A copy of the user's tree whose /memory and /chosen are this guest's.

    Every memory node at the root is replaced by one for each bank, and the tree's own initrd by this one or
    by none. The tree's command line stays where `bootargs` is empty. Nothing else changes. The size does not
    depend on the addresses.

    Raises
    ------
    ImageError
        If the tree is malformed, has /chosen or anything in it twice, or its #address-cells and #size-cells
        cannot express a bank.
    """
    from libfdt import NOTFOUND, FdtException

    tree = _open(path, blob)
    try:
        tree = _without_memory(tree)
        tree.resize(tree.totalsize() + len(bootargs) + _SPARE)
        _add_memory(path, tree, banks)
        chosen = tree.path_offset(f"/{_CHOSEN}", quiet=(NOTFOUND,))
        if chosen < 0:
            chosen = tree.add_subnode(_ROOT, _CHOSEN)
        for name in ("linux,initrd-start", "linux,initrd-end"):
            tree.delprop(chosen, name, quiet=(NOTFOUND,))
        for name, value in chosen_properties(bootargs, initrd):
            if name != "bootargs" or bootargs:
                tree.setprop(chosen, name, value)
        tree.pack()
    except FdtException as error:
        raise ImageError(path, f"cannot set /memory and /chosen of the device tree: {error}") from error
    return bytes(tree.as_bytearray())


def _open(path: str, blob: memoryview) -> "Fdt":
    from libfdt import Fdt, FdtException, fdt_check_full, strerror

    if blob.nbytes > MAX_DEVICE_TREE:
        raise ImageError(
            path,
            f"the device tree has {exact_size_text(blob.nbytes)}; "
            f"arm64 Linux takes up to {exact_size_text(MAX_DEVICE_TREE)}",
        )
    copy = bytearray(blob)
    status = fdt_check_full(copy, len(copy))
    if status < 0:
        raise ImageError(path, f"not a flattened device tree: {strerror(status)}")
    try:
        tree = Fdt(copy)
    except FdtException as error:
        raise ImageError(path, f"not a flattened device tree: {error}") from error
    fault = block_layout_error(tree)
    if fault is not None:
        raise ImageError(path, f"not a flattened device tree: {fault}")
    _check_what_is_edited(path, blob)
    return tree


def _check_what_is_edited(path: str, blob: memoryview) -> None:
    """See that the tree is no deeper and no wider than is read elsewhere, and that what is edited is there once.

    Of two nodes or properties with one name, an edit finds the first, and who knows which one the guest looks at.
    """
    tree = FlatTree(Content(path, blob, Allowance(0)))
    tree.properties(_ROOT)
    top = tree.children(_ROOT)
    if _CHOSEN in top:
        tree.properties(top[_CHOSEN])


def _without_memory(tree: "Fdt") -> "Fdt":
    """A copy without the memory nodes of the root: overwritten in place, in time linear in the tree."""
    from libfdt import Fdt, fdt_nop_node

    copy = tree.as_bytearray()
    for offset in _memory_nodes(tree):
        fdt_nop_node(copy, offset)
    return Fdt(copy)


def _add_memory(path: str, tree: "Fdt", banks: Sequence[Bank]) -> None:
    address_cells = _cells(path, tree, "#address-cells", 2)
    size_cells = _cells(path, tree, "#size-cells", 1)
    # A node is added in front of its siblings.
    for bank in reversed(banks):
        node = tree.add_subnode(_ROOT, f"memory@{bank.base:x}")
        reg = _pack_cells(path, bank.base, address_cells) + _pack_cells(path, bank.size, size_cells)
        tree.setprop(node, "reg", reg)
        tree.setprop_str(node, "device_type", "memory")


def _memory_nodes(tree: "Fdt") -> list[int]:
    """Offsets of the root's memory nodes, by Devicetree Specification 0.4, 3.4, or by their name alone."""
    from libfdt import NOTFOUND

    found = []
    offset = tree.first_subnode(_ROOT, quiet=(NOTFOUND,))
    while offset >= 0:
        device_type = tree.getprop(offset, "device_type", quiet=(NOTFOUND,))
        by_type = not isinstance(device_type, int) and bytes(device_type) == b"memory\0"
        if by_type or tree.get_name(offset).partition("@")[0] == "memory":
            found.append(offset)
        offset = tree.next_subnode(offset, quiet=(NOTFOUND,))
    return found


def _cells(path: str, tree: "Fdt", name: str, default: int) -> int:
    """How many 32-bit cells; the defaults are those of Devicetree Specification 0.4, 2.3.5."""
    from libfdt import NOTFOUND

    value = tree.getprop(_ROOT, name, quiet=(NOTFOUND,))
    if isinstance(value, int):
        return default
    cells = int.from_bytes(bytes(value), "big")
    if len(value) != 4 or cells not in (1, 2):
        raise ImageError(
            path, f"the device tree's root has {name} of {bytes(value).hex(' ')}; 1 or 2 will do"
        )
    return cells


def _pack_cells(path: str, value: int, cells: int) -> bytes:
    if value >= 1 << 32 * cells:
        raise ImageError(path, f"the device tree's root has {cells} cell for {value:#x}: memory needs 2")
    return struct.pack(">I" if cells == 1 else ">Q", value)
