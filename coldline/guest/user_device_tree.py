# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks the user's device tree, and adds this guest's RAM and initrd to it."""

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
"""The most bytes that are added here, except for the command line."""


def check_device_tree(path: str, blob: memoryview) -> None:
    """Check that `blob` is a whole flattened device tree that can be walked safely.

    Parameters
    ----------
    path : str
        The file, for messages.
    blob : memoryview
        Its bytes; bytes after the tree are ignored.

    Raises
    ------
    ImageError
        If it is not, exceeds `MAX_DEVICE_TREE` or a limit of `coldline.image.flat_tree`, or has a duplicate of a node
        or property that is edited.
    """
    _open(path, blob)


def with_chosen(
    path: str, blob: memoryview, *, banks: Sequence[Bank], bootargs: bytes, initrd: AddressRange | None
) -> bytes:
    """Return a copy of the user's tree with this guest's /memory and /chosen.

    A memory node for each bank replaces all memory nodes of the root. The guest's initrd, or none, replaces the
    tree's own. The tree's command line stays if `bootargs` is empty. Nothing else changes. The size does not depend
    on the addresses.

    Raises
    ------
    ImageError
        If the tree is malformed, has duplicates of or in /chosen, or its #address-cells and #size-cells
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
            f"arm64 Linux accepts up to {exact_size_text(MAX_DEVICE_TREE)}",
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
    """Check the tree against the limits of `FlatTree`, and that edited nodes and properties are unique.

    Of two nodes or properties with the same name, an edit changes the first, and the guest may use the other.
    """
    tree = FlatTree(Content(path, blob, Allowance(0)))
    tree.properties(_ROOT)
    top = tree.children(_ROOT)
    if _CHOSEN in top:
        tree.properties(top[_CHOSEN])


def _without_memory(tree: "Fdt") -> "Fdt":
    """Return a copy without the memory nodes of the root, which are overwritten in place, in linear time."""
    from libfdt import Fdt, fdt_nop_node

    copy = tree.as_bytearray()
    for offset in _memory_nodes(tree):
        fdt_nop_node(copy, offset)
    return Fdt(copy)


def _add_memory(path: str, tree: "Fdt", banks: Sequence[Bank]) -> None:
    address_cells = _cells(path, tree, "#address-cells", 2)
    size_cells = _cells(path, tree, "#size-cells", 1)
    # libfdt adds a node before its siblings.
    for bank in reversed(banks):
        node = tree.add_subnode(_ROOT, f"memory@{bank.base:x}")
        reg = _pack_cells(path, bank.base, address_cells) + _pack_cells(path, bank.size, size_cells)
        tree.setprop(node, "reg", reg)
        tree.setprop_str(node, "device_type", "memory")


def _memory_nodes(tree: "Fdt") -> list[int]:
    """Return the offsets of the root's memory nodes, by Devicetree Specification 0.4, 3.4, or by their name alone."""
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
    """Return a number of 32-bit cells; the defaults are those of Devicetree Specification 0.4, 2.3.5."""
    from libfdt import NOTFOUND

    value = tree.getprop(_ROOT, name, quiet=(NOTFOUND,))
    if isinstance(value, int):
        return default
    cells = int.from_bytes(bytes(value), "big")
    if len(value) != 4 or cells not in (1, 2):
        raise ImageError(
            path, f"the device tree's root has {name} of {bytes(value).hex(' ')}; it must be 1 or 2"
        )
    return cells


def _pack_cells(path: str, value: int, cells: int) -> bytes:
    if value >= 1 << 32 * cells:
        raise ImageError(path, f"the device tree's root has {cells} cell for {value:#x}: memory needs 2")
    return struct.pack(">I" if cells == 1 else ">Q", value)
