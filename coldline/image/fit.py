# SPDX-License-Identifier: GPL-2.0-or-later
"""U-Boot's flattened image tree (FIT, ``.itb``): kernels, initrds, device trees, and configurations that combine
them.

Source: U-Boot doc/usage/fit/source_file_format.rst and boot/image-fit.c (2023.01). Names must match completely: a
unit address is part of the name (CVE-2021-27138).
"""

from coldline.errors import UsageError
from coldline.image.content import ContainerParts, Content, Declared
from coldline.image.fit_firmware import firmware_parts
from coldline.image.fit_images import FIT_ARCHITECTURES, FIT_COMPRESSIONS, FitImages
from coldline.image.flat_tree import FlatTree
from coldline.support.printable import one_line

_MAGIC = b"\xd0\x0d\xfe\xed"
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


class _Fit:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._tree = FlatTree(content)
        top = self._tree.children(0)
        if "images" not in top:
            raise content.error("is a flattened device tree without /images: a dtb, not a FIT")
        self._images = FitImages(content, self._tree, self._tree.children(top["images"]))
        self._configurations = top.get("configurations")

    def open(self, wanted: str | None) -> ContainerParts:
        name, properties = self._configuration(wanted)
        where = f"configuration '{name}'"
        images = self._images
        if "kernel" not in properties:
            return firmware_parts(images, where, properties)
        kernel = images.only(where, "kernel", properties, ("kernel", "kernel_noload"))
        placed = images.text(kernel, "type") != "kernel_noload"
        ramdisk = device_tree = None
        if "ramdisk" in properties:
            ramdisk = images.bytes_of(images.only(where, "ramdisk", properties, ("ramdisk",)))
        if "fdt" in properties:
            device_tree = images.unpacked(images.only(where, "fdt", properties, ("flat_dt",)))
        declared = Declared(
            by=kernel.by,
            architecture=images.one_of(kernel, "arch", FIT_ARCHITECTURES),
            compressions=images.one_of(kernel, "compression", FIT_COMPRESSIONS) or None,
            load=images.address(kernel, "load") if placed else None,
            entry=images.address(kernel, "entry") if placed else None,
        )
        notes = [one_line(f"used its FIT's {where}")]
        notes += [f"ignored '{each}' of that configuration" for each in _NOT_FOLLOWED if each in properties]
        return ContainerParts(
            kernel=self._content.inside("FIT", images.bytes_of(kernel)),
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
            name = self._images.string("default of /configurations", properties["default"])
            if name not in names:
                raise self._content.error(
                    f"its default configuration '{name}' does not exist; it has: {listed}"
                )
        elif wanted in names:
            name = wanted
        else:
            raise UsageError(f"{self._content.path} has no configuration '{wanted}'; choose from: {listed}")
        return name, self._tree.properties(names[name])
