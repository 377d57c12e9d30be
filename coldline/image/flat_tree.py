# SPDX-License-Identifier: GPL-2.0-or-later
"""Read access to a flattened device tree: nodes and properties as dictionaries.

libfdt checks the tree and finds its nodes. Values of properties are not copied, as some of them are whole kernels.
"""

import itertools
import struct
from typing import Any

from coldline.image.content import Content

_VERSION = 17
_HEADER_SIZE = 40
_RESERVATION_SIZE = 16
_PROPERTY_HEADER = struct.Struct(">4xII")
"""A tag, the length of the value, the offset of the name: Devicetree Specification 0.4, 5.4.1."""

MAX_NODES = 1 << 14
MAX_NODE_DEPTH = 32
MAX_PROPERTIES = 4096
"""The most properties of a node. The three limits bound the time to walk a tree."""


class FlatTree:
    """A tree that was checked and can be walked safely, within limits.

    Parameters
    ----------
    content : Content
        The tree; bytes after it are ignored.

    Raises
    ------
    ImageError
        If it is malformed, above a limit, or has two blocks that share a byte.

    Attributes
    ----------
    size : int
        Size of the tree in bytes.
    """

    def __init__(self, content: Content) -> None:
        from libfdt import Fdt, FdtException, fdt_check_full, strerror

        self._content = content
        data = content.data
        if len(data) < _HEADER_SIZE:
            raise content.error(
                f"has {len(data)} bytes; a flattened device tree has a header of {_HEADER_SIZE}"
            )
        self.size = int.from_bytes(data[4:8], "big")
        if self.size > len(data):
            raise content.error(
                f"its flattened device tree has {self.size} bytes (at byte 4), but {len(data)} are there: truncated"
            )
        copy = bytearray(data[: self.size])
        status = fdt_check_full(copy, len(copy))
        if status < 0:
            raise content.error(f"its flattened device tree is malformed: {strerror(status)}")
        try:
            self._tree = Fdt(copy)
        except FdtException as error:
            raise content.error(f"its flattened device tree is malformed: {error}") from error
        fault = block_layout_error(self._tree)
        if fault is not None:
            raise content.error(f"its flattened device tree is malformed: {fault}")
        self._data = data[: self.size]
        self._structure = self._tree.off_dt_struct()
        self._check_shape()

    def _check_shape(self) -> None:
        from libfdt import NOTFOUND, strerror

        node, depth = 0, 0
        for _ in range(MAX_NODES):
            node, depth = self._tree.next_node(node, depth, quiet=(NOTFOUND,))
            if node == -NOTFOUND or (node >= 0 and depth < 0):
                return
            if node < 0:
                raise self._content.error(f"its flattened device tree is malformed: {strerror(node)}")
            if depth > MAX_NODE_DEPTH:
                raise self._content.error(
                    f"its flattened device tree is deeper than {MAX_NODE_DEPTH} nodes, "
                    f"at byte {self._structure + node}"
                )
        raise self._content.error(f"its flattened device tree has more than {MAX_NODES} nodes")

    def children(self, node: int) -> dict[str, int]:
        """Return the nodes directly below `node`, by name; the root is 0.

        Raises
        ------
        ImageError
            If two nodes have the same name.
        """
        from libfdt import NOTFOUND

        found: dict[str, int] = {}
        child = self._tree.first_subnode(node, quiet=(NOTFOUND,))
        while child >= 0:
            name = self._tree.get_name(child)
            if name in found:
                raise self._content.error(
                    f"has two nodes called '{name}', one at byte {self._structure + child}"
                )
            found[name] = child
            child = self._tree.next_subnode(child, quiet=(NOTFOUND,))
        return found

    def properties(self, node: int) -> dict[str, memoryview]:
        """Return the values of a node's properties, by name.

        Raises
        ------
        ImageError
            If two properties have the same name, or there are more than `MAX_PROPERTIES`.
        """
        from libfdt import NOTFOUND

        found: dict[str, memoryview] = {}
        offset = self._tree.first_property_offset(node, quiet=(NOTFOUND,))
        while offset >= 0:
            at = self._structure + offset
            size, name_at = _PROPERTY_HEADER.unpack_from(self._data, at)
            start = at + _PROPERTY_HEADER.size
            name = self._string(name_at)
            if name in found:
                raise self._content.error(f"has two properties '{name}' in one node, one at byte {at}")
            if len(found) == MAX_PROPERTIES:
                raise self._content.error(
                    f"has a node of more than {MAX_PROPERTIES} properties, at byte {at}"
                )
            found[name] = self._data[start : start + size]
            offset = self._tree.next_property_offset(offset, quiet=(NOTFOUND,))
        return found

    def _string(self, offset: int) -> str:
        strings = self._tree.off_dt_strings()
        block = self._data[strings + offset : strings + min(offset + 256, self._tree.size_dt_strings())]
        return bytes(block).split(b"\0")[0].decode("latin-1")


def block_layout_error(tree: Any) -> str | None:
    """Return the fault in the layout of a tree's blocks, or None.

    fdt_check_full does not check whether two blocks overlap. If they do, an edit of one can overwrite the end of
    another, and fdt_open_into then writes outside its buffer, as it uses the error code of fdt_num_mem_rsv as a count
    (libfdt 1.7).

    Parameters
    ----------
    tree : libfdt.Fdt
        A tree that fdt_check_full has accepted.
    """
    if tree.version() < _VERSION:
        return f"it has version {tree.version()}; {_VERSION} is needed"
    blocks = sorted(
        (
            (0, _HEADER_SIZE, "header"),
            (tree.off_mem_rsvmap(), (tree.num_mem_rsv() + 1) * _RESERVATION_SIZE, "memory reservation block"),
            (tree.off_dt_struct(), tree.size_dt_struct(), "structure block"),
            (tree.off_dt_strings(), tree.size_dt_strings(), "strings block"),
        )
    )
    for (start, size, lower), (upper_start, _, upper) in itertools.pairwise(blocks):
        if upper_start < start + size:
            return f"its {upper} (at byte {upper_start}) starts inside its {lower} ({start}-{start + size})"
    return None
