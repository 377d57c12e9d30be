# SPDX-License-Identifier: GPL-2.0-or-later
"""Merges the user's partial device tree into the generated one.

As `xl` does with its ``device_tree``: /passthrough, which is required, and /aliases become nodes of the guest's root,
with everything below them; the rest of the tree is ignored. Source: xen tools/libs/light/libxl_arm.c (4.17),
copy_partial_fdt. xl checks nothing in them; here phandles are checked.

The nodes are inserted into the finished tree as bytes. libfdt searches all names for each property that it adds,
which takes minutes for some trees.
"""

import struct

from coldline.errors import ImageError
from coldline.guest.devicetree import GIC_PHANDLE
from coldline.guest.user_device_tree import check_device_tree
from coldline.image.content import Allowance, Content
from coldline.image.flat_tree import FlatTree

COPIED = ("passthrough", "aliases")
"""The nodes of the root that are copied; the first is required."""

_BEGIN_NODE, _END_NODE, _PROPERTY, _END = 1, 2, 3, 9
"""Devicetree Specification 0.4, 5.4.1."""

_HEADER = struct.Struct(">10I")
_WORD = struct.Struct(">I")
_TAIL = _WORD.pack(_END_NODE) + _WORD.pack(_END)
_PHANDLES = ("phandle", "linux,phandle")
_NO_PHANDLES = (0, 0xFFFFFFFF)
"""Devicetree Specification 0.4, 2.3.3; libfdt's fdt_check_phandle."""


class PartialTree:
    """The nodes that are copied from a partial device tree.

    Parameters
    ----------
    path : str
        The file, for messages.
    blob : memoryview
        Its bytes; bytes after the tree are ignored.

    Raises
    ------
    ImageError
        If it is not a device tree that can be walked safely, has no /passthrough, or has a duplicate phandle or that
        of the guest's interrupt controller.
    """

    def __init__(self, path: str, blob: memoryview) -> None:
        check_device_tree(path, blob)
        self._path = path
        self._tree = FlatTree(Content(path, blob, Allowance(0)))
        self._structure = bytearray()
        self._strings = bytearray()
        self._names: dict[str, int] = {}
        self._name_words: list[int] = []
        self._phandles: dict[int, str] = {}
        top = self._tree.children(0)
        if COPIED[0] not in top:
            raise ImageError(
                path,
                f"has no /{COPIED[0]}: only /{' and /'.join(COPIED)} of a partial device tree are used; "
                "use --dtb-only for a complete one",
            )
        for name in COPIED:
            if name in top:
                self._copy(f"/{name}", name, top[name])

    def merge(self, tree: bytes) -> bytes:
        """Return `tree`, which libfdt has packed, with the copied nodes after those of its root."""
        header = list(_HEADER.unpack_from(tree))
        _, _, structure_at, strings_at, reserved_at, _, _, _, strings_size, structure_size = header
        own = tree[structure_at : structure_at + structure_size]
        strings = tree[strings_at : strings_at + strings_size]
        if not own.endswith(_TAIL):
            raise ValueError("the tree's structure does not end with its root")
        added = self._structure.copy()
        for at in self._name_words:
            _WORD.pack_into(added, at, _WORD.unpack_from(added, at)[0] + strings_size)
        structure = own[: -len(_TAIL)] + added + _TAIL
        front = tree[_HEADER.size : structure_at]
        header[2] = structure_at
        header[3] = structure_at + len(structure)
        header[4] = reserved_at
        header[8:] = [strings_size + len(self._strings), len(structure)]
        header[1] = header[3] + header[8]
        return _HEADER.pack(*header) + front + structure + strings + self._strings

    def _copy(self, where: str, name: str, node: int) -> None:
        self._word(_BEGIN_NODE)
        self._padded(name.encode("utf-8", "surrogateescape") + b"\0")
        properties = self._tree.properties(node)
        self._check_phandle(where, properties)
        for property_name, value in properties.items():
            self._word(_PROPERTY)
            self._word(value.nbytes)
            self._name_words.append(len(self._structure))
            self._word(self._string(property_name))
            self._padded(value)
        for child_name, child in self._tree.children(node).items():
            self._copy(f"{where}/{child_name}", child_name, child)
        self._word(_END_NODE)

    def _check_phandle(self, where: str, properties: dict[str, memoryview]) -> None:
        values = {bytes(properties[name]) for name in _PHANDLES if name in properties}
        if not values:
            return
        value = values.pop()
        phandle = int.from_bytes(value, "big")
        if values or len(value) != _WORD.size or phandle in _NO_PHANDLES:
            raise self._error(f"{where} has an invalid phandle, or two")
        if phandle == GIC_PHANDLE:
            raise self._error(
                f"{where} has phandle {phandle:#x}, which the guest's interrupt controller uses"
            )
        if phandle in self._phandles:
            raise self._error(
                f"{where} has phandle {phandle:#x}, which {self._phandles[phandle]} has as well"
            )
        self._phandles[phandle] = where

    def _error(self, reason: str) -> ImageError:
        return ImageError(self._path, reason)

    def _word(self, value: int) -> None:
        self._structure += _WORD.pack(value)

    def _padded(self, data: bytes | memoryview) -> None:
        self._structure += data
        self._structure += bytes(-len(self._structure) % _WORD.size)

    def _string(self, name: str) -> int:
        if name not in self._names:
            self._names[name] = len(self._strings)
            self._strings += name.encode("latin-1") + b"\0"
        return self._names[name]
