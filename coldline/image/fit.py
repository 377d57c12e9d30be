# SPDX-License-Identifier: GPL-2.0-or-later
"""U-Boot's flattened image tree (FIT, ``.itb``): kernels, initrds, device trees, and configurations that combine
them.

Source: U-Boot doc/usage/fit/source_file_format.rst and boot/image-fit.c (2023.01). Names must match completely: a
unit address is part of the name (CVE-2021-27138).
"""

from typing import TypeVar

from coldline.errors import UsageError
from coldline.image.compression import decompress_declared
from coldline.image.content import ContainerParts, Content, Declared
from coldline.image.fit_hash import check_hashes
from coldline.image.flat_tree import FlatTree
from coldline.support.printable import one_line

_Value = TypeVar("_Value")

_MAGIC = b"\xd0\x0d\xfe\xed"
_ALIGNMENT = 4
"""Alignment of external data, whose offsets count from the end of the tree."""

_ARCHITECTURES = {"arm": "arm32", "arm64": "arm64"}
_COMPRESSIONS: dict[str, tuple[str, ...]] = {
    "none": (),
    "gzip": ("gzip",),
    "bzip2": ("bzip2",),
    "lzma": ("lzma",),
    "lzo": ("lzop",),
    "lz4": ("lz4", "lz4 (legacy)"),
    "zstd": ("zstd",),
}
_NOT_FOLLOWED = ("loadables", "firmware", "standalone", "script")


def is_flat_tree(data: memoryview) -> bool:
    """Return whether `data` starts like a flattened device tree; a FIT is one."""
    return data[:4] == _MAGIC


def open_fit(content: Content, configuration: str | None) -> ContainerParts:
    """Return what a configuration of a FIT names. Hashes are checked; signatures are not.

    Parameters
    ----------
    content : Content
        The FIT.
    configuration : str or None
        The configuration's name; None for the FIT's default.

    Raises
    ------
    ImageError
        If it is malformed, not a FIT, corrupt, or incomplete.
    UsageError
        If it has no such configuration.
    """
    return _Fit(content).open(configuration)


class _Image:
    """A node of /images."""

    def __init__(self, name: str, node: int, properties: dict[str, memoryview]) -> None:
        self.name = name
        self.node = node
        self.properties = properties


class _Fit:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._tree = FlatTree(content)
        top = self._tree.children(0)
        if "images" not in top:
            raise content.error("is a flattened device tree without /images: a dtb, not a FIT")
        self._images = self._tree.children(top["images"])
        self._configurations = top.get("configurations")

    def open(self, wanted: str | None) -> ContainerParts:
        name, properties = self._configuration(wanted)
        where = f"configuration '{name}'"
        if "kernel" not in properties:
            raise self._content.error(f"its {where} names no kernel")
        kernel = self._image(where, "kernel", properties, ("kernel", "kernel_noload"))
        placed = self._text(kernel, "type") != "kernel_noload"
        ramdisk = device_tree = None
        if "ramdisk" in properties:
            ramdisk = self._bytes(self._image(where, "ramdisk", properties, ("ramdisk",)))
        if "fdt" in properties:
            device_tree = self._device_tree(self._image(where, "fdt", properties, ("flat_dt",)))
        declared = Declared(
            by=one_line(f"its FIT image '{kernel.name}'"),
            architecture=self._one_of(kernel, "arch", _ARCHITECTURES),
            compressions=self._one_of(kernel, "compression", _COMPRESSIONS) or None,
            load=self._address(kernel, "load") if placed else None,
            entry=self._address(kernel, "entry") if placed else None,
        )
        notes = [one_line(f"used its FIT's {where}")]
        notes += [f"ignored '{each}' of that configuration" for each in _NOT_FOLLOWED if each in properties]
        return ContainerParts(
            kernel=self._content.inside("FIT", self._bytes(kernel)),
            declared=declared,
            initrd=ramdisk,
            device_tree=device_tree,
            notes=tuple(notes),
        )

    def _configuration(self, wanted: str | None) -> tuple[str, dict[str, memoryview]]:
        if self._configurations is None:
            raise self._content.error("is a FIT without /configurations, which would say what to load")
        names = self._tree.children(self._configurations)
        listed = one_line(", ".join(sorted(names)[:16])) or "none"
        if wanted is None:
            properties = self._tree.properties(self._configurations)
            if "default" not in properties:
                raise self._content.error(
                    f"is a FIT without a default configuration: choose one with --fit-config: {listed}"
                )
            name = self._string("default of /configurations", properties["default"])
            if name not in names:
                raise self._content.error(
                    f"its default configuration '{name}' does not exist; it has: {listed}"
                )
        elif wanted in names:
            name = wanted
        else:
            raise UsageError(f"{self._content.path} has no configuration '{wanted}'; choose from: {listed}")
        return name, self._tree.properties(names[name])

    def _image(
        self, where: str, role: str, properties: dict[str, memoryview], types: tuple[str, ...]
    ) -> _Image:
        """Return the one image that a configuration names for a role."""
        value = properties[role]
        if bytes(value[:-1]).count(b"\0"):
            raise self._content.error(
                f"its {where} names more than one {role}: coldline supports one, without overlays"
            )
        name = self._string(f"{role} of {where}", value)
        if name not in self._images:
            raise self._content.error(f"its {where} names {role} '{name}', which is not in /images")
        node = self._images[name]
        image = _Image(name, node, self._tree.properties(node))
        kind = self._text(image, "type")
        if kind not in types:
            raise self._content.error(f"its image '{name}' is of type '{kind}', not {' or '.join(types)}")
        if "cipher" in self._tree.children(node):
            raise self._content.error(f"its image '{name}' is encrypted")
        return image

    def _bytes(self, image: _Image) -> memoryview:
        """Return an image's bytes, from inside or behind the tree, after checking their hashes."""
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
            whole = self._content.data
            if start < self._tree.size or start + size > len(whole):
                raise self._content.error(
                    f"{where}, {size} bytes from byte {start} on, is not between the end of the tree "
                    f"(byte {self._tree.size}) and the end of the file ({len(whole)})"
                )
            data = whole[start : start + size]
        else:
            raise self._content.error(f"{where} has no data")
        if not data:
            raise self._content.error(f"{where} is empty")
        if "uboot-ignore" not in properties:
            check_hashes(self._content, self._tree, image.name, image.node, data)
        return data

    def _device_tree(self, image: _Image) -> memoryview:
        declared = Declared(
            by=one_line(f"its FIT image '{image.name}'"),
            compressions=self._one_of(image, "compression", _COMPRESSIONS) or None,
        )
        return decompress_declared(self._content.inside("FIT", self._bytes(image)), declared).data

    def _one_of(self, image: _Image, name: str, known: dict[str, _Value]) -> _Value | None:
        if name not in image.properties:
            return None
        text = self._text(image, name)
        if text not in known:
            raise self._content.error(
                f"its image '{image.name}' has {name} '{text}', which coldline does not support"
            )
        return known[text]

    def _text(self, image: _Image, name: str) -> str:
        if name not in image.properties:
            raise self._content.error(f"its image '{image.name}' has no {name}")
        return self._string(f"{name} of image '{image.name}'", image.properties[name])

    def _string(self, what: str, value: memoryview) -> str:
        text = bytes(value[:256])
        if not text.endswith(b"\0") or b"\0" in text[:-1] or not text[:-1].isascii():
            raise self._content.error(f"its {what} is not a single ASCII string")
        return text[:-1].decode("ascii")

    def _address(self, image: _Image, name: str) -> int | None:
        return self._number(image, name) if name in image.properties else None

    def _number(self, image: _Image, name: str) -> int:
        value = image.properties[name]
        if len(value) not in (4, 8):
            raise self._content.error(
                f"its image '{image.name}' has {name} of {len(value)} bytes, not 4 or 8"
            )
        return int.from_bytes(value, "big")
