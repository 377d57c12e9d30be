# SPDX-License-Identifier: GPL-2.0-or-later
"""The images of a FIT: their bytes, checked, and what they declare.

Source: U-Boot doc/usage/fit/source_file_format.rst and boot/image-fit.c (2023.01). Names must match completely: a
unit address is part of the name (CVE-2021-27138).
"""

from typing import TypeVar

from coldline.image.compression import decompress_declared
from coldline.image.content import Content, Declared
from coldline.image.fit_hash import check_hashes
from coldline.image.flat_tree import FlatTree
from coldline.support.printable import one_line

_Value = TypeVar("_Value")

_ALIGNMENT = 4
"""Alignment of external data, whose offsets count from the end of the tree."""

FIT_ARCHITECTURES = {"arm": "arm32", "arm64": "arm64"}
FIT_COMPRESSIONS: dict[str, tuple[str, ...]] = {
    "none": (),
    "gzip": ("gzip",),
    "bzip2": ("bzip2",),
    "lzma": ("lzma",),
    "lzo": ("lzop",),
    "lz4": ("lz4", "lz4 (legacy)"),
    "zstd": ("zstd",),
}


MAX_LOADABLES = 64
"""The most images that a configuration may name for a role."""


class FitImage:
    """A node of /images.

    Parameters
    ----------
    name : str
        Its name.
    node : int
        Its offset in the tree.
    properties : dict
        Its properties, by name.
    """

    def __init__(self, name: str, node: int, properties: dict[str, memoryview]) -> None:
        self.name = name
        self.node = node
        self.properties = properties

    @property
    def by(self) -> str:
        """The image, for messages."""
        return one_line(f"its FIT image '{self.name}'")


class FitImages:
    """Reads the images of a FIT.

    Parameters
    ----------
    content : Content
        The FIT.
    tree : FlatTree
        Its tree.
    nodes : dict
        The nodes of /images, by name.
    """

    def __init__(self, content: Content, tree: FlatTree, nodes: dict[str, int]) -> None:
        self.content = content
        self._tree = tree
        self._nodes = nodes

    def only(
        self, where: str, role: str, properties: dict[str, memoryview], types: tuple[str, ...]
    ) -> FitImage:
        """Return the one image that a configuration names for a role.

        Raises
        ------
        ImageError
            If there are several, or it is missing, of another type, or encrypted.
        """
        value = properties[role]
        if bytes(value[:-1]).count(b"\0"):
            raise self.content.error(
                f"its {where} names more than one {role}: coldline supports one, without overlays"
            )
        image = self._named(where, role, self.string(f"{role} of {where}", value))
        kind = self.text(image, "type")
        if kind not in types:
            raise self.content.error(
                f"its image '{image.name}' is of type '{kind}', not {' or '.join(types)}"
            )
        return image

    def all(self, where: str, role: str, properties: dict[str, memoryview]) -> list[FitImage]:
        """Return the images that a configuration names for a role, in order.

        Raises
        ------
        ImageError
            If there are more than `MAX_LOADABLES`, or one is missing or encrypted.
        """
        names = bytes(properties.get(role, b"")).split(b"\0", MAX_LOADABLES + 1)
        if len(names) > MAX_LOADABLES + 1:
            raise self.content.error(f"its {where} names more than {MAX_LOADABLES} {role}")
        what = f"{role} of {where}"
        return [
            self._named(where, role, self.string(what, memoryview(name + b"\0"))) for name in names if name
        ]

    def _named(self, where: str, role: str, name: str) -> FitImage:
        if name not in self._nodes:
            raise self.content.error(f"its {where} names {role} '{name}', which is not in /images")
        node = self._nodes[name]
        if "cipher" in self._tree.children(node):
            raise self.content.error(f"its image '{name}' is encrypted")
        return FitImage(name, node, self._tree.properties(node))

    def bytes_of(self, image: FitImage) -> memoryview:
        """Return an image's bytes, from inside or behind the tree, after checking their hashes.

        Raises
        ------
        ImageError
            If they are missing, outside the file, or corrupt.
        """
        properties = image.properties
        where = f"its image '{image.name}'"
        if "data" in properties:
            data = properties["data"]
        elif "data-size" in properties and ("data-position" in properties or "data-offset" in properties):
            size = self._number(image, "data-size")
            if "data-position" in properties:
                start = self._number(image, "data-position")
            else:
                start = -(-self._tree.size // _ALIGNMENT) * _ALIGNMENT + self._number(image, "data-offset")
            whole = self.content.data
            if start < self._tree.size or start + size > len(whole):
                raise self.content.error(
                    f"{where}, {size} bytes from byte {start} on, is not between the end of the tree "
                    f"(byte {self._tree.size}) and the end of the file ({len(whole)})"
                )
            data = whole[start : start + size]
        else:
            raise self.content.error(f"{where} has no data")
        if not data:
            raise self.content.error(f"{where} is empty")
        if "uboot-ignore" not in properties:
            check_hashes(self.content, self._tree, image.name, image.node, data)
        return data

    def unpacked(self, image: FitImage) -> memoryview:
        """Return an image's bytes, decompressed if they are declared to be compressed.

        Raises
        ------
        ImageError
            As `bytes_of`; or if they are not compressed as declared.
        """
        declared = Declared(
            by=image.by, compressions=self.one_of(image, "compression", FIT_COMPRESSIONS) or None
        )
        return decompress_declared(self.content.inside("FIT", self.bytes_of(image)), declared).data

    def one_of(self, image: FitImage, name: str, known: dict[str, _Value]) -> _Value | None:
        """Return the value that an image's property names, or None without it.

        Raises
        ------
        ImageError
            If the property names none of `known`.
        """
        if name not in image.properties:
            return None
        text = self.text(image, name)
        if text not in known:
            raise self.content.error(
                f"its image '{image.name}' has {name} '{text}', which coldline does not support"
            )
        return known[text]

    def text(self, image: FitImage, name: str) -> str:
        """Return an image's property, which must be a single string."""
        if name not in image.properties:
            raise self.content.error(f"its image '{image.name}' has no {name}")
        return self.string(f"{name} of image '{image.name}'", image.properties[name])

    def string(self, what: str, value: memoryview) -> str:
        """Return the single ASCII string that a property is."""
        text = bytes(value[:256])
        if not text.endswith(b"\0") or b"\0" in text[:-1] or not text[:-1].isascii():
            raise self.content.error(f"its {what} is not a single ASCII string")
        return text[:-1].decode("ascii")

    def address(self, image: FitImage, name: str) -> int | None:
        """Return an image's address, or None without it."""
        return self._number(image, name) if name in image.properties else None

    def _number(self, image: FitImage, name: str) -> int:
        value = image.properties[name]
        if len(value) not in (4, 8):
            raise self.content.error(f"its image '{image.name}' has {name} of {len(value)} bytes, not 4 or 8")
        return int.from_bytes(value, "big")
