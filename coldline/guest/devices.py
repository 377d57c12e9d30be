# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists the devices in a guest's device tree, coldline's or the user's."""

import itertools
from typing import TYPE_CHECKING, NamedTuple

from coldline.image.content import Allowance, Content
from coldline.image.flat_tree import FlatTree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PARTS = {
    "arm,gic-v3": ("distributor", "redistributors"),
    "arm,cortex-a15-gic": ("distributor", "CPU interface"),
    "xen,xen": ("grant table",),
}
"""Names of a device's register ranges: Linux Documentation/devicetree/bindings (6.1), ``reg`` of each."""

_MEMORY = ("memory", "reserved-memory")


class DeviceRegisters(NamedTuple):
    """A range of a device's registers.

    Attributes
    ----------
    name : str
        The node's name without its address, with the range's name if it is known.
    compatible : str
        The node's first ``compatible``.
    base, size : int
        The guest physical range, in bytes.
    """

    name: str
    compatible: str
    base: int
    size: int

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.size


def devices_of(path: str, tree: memoryview) -> list[DeviceRegisters]:
    """Return the devices with guest physical addresses in a device tree, sorted by address.

    These are in the root, and in nodes below it whose empty ``ranges`` means that they use the root's addresses
    (Devicetree Specification 0.4, 2.3.8). Memory is not a device.

    Parameters
    ----------
    path : str
        The tree's file, for messages.
    tree : memoryview
        The whole tree.

    Raises
    ------
    ImageError
        If it cannot be read safely.
    """
    flat = FlatTree(Content(path, tree, Allowance(0)))
    return sorted(set(_below(flat, 0)), key=lambda device: (device.base, device.size, device.name))


def _below(tree: FlatTree, parent: int) -> "Iterator[DeviceRegisters]":
    above = tree.properties(parent)
    address_cells, size_cells = _number(above, "#address-cells", 2), _number(above, "#size-cells", 1)
    for name, node in tree.children(parent).items():
        kind = name.partition("@")[0]
        properties = tree.properties(node)
        if kind in _MEMORY or bytes(properties.get("device_type", b"")) == b"memory\0":
            continue
        if address_cells in (1, 2) and size_cells in (1, 2):
            yield from _registers(kind, properties, address_cells * 4, size_cells * 4)
        ranges = properties.get("ranges")
        if ranges is not None and not ranges:
            yield from _below(tree, node)


def _registers(
    name: str, properties: "Mapping[str, memoryview]", address_bytes: int, size_bytes: int
) -> "Iterator[DeviceRegisters]":
    compatible = [each.decode("latin-1") for each in bytes(properties.get("compatible", b"")).split(b"\0")]
    parts = next((_PARTS[each] for each in compatible if each in _PARTS), ())
    reg = properties.get("reg", memoryview(b""))
    step = address_bytes + size_bytes
    starts = range(0, len(reg) - step + 1, step)
    for start, part in zip(starts, itertools.chain(parts, itertools.repeat("")), strict=False):
        base = int.from_bytes(reg[start : start + address_bytes], "big")
        size = int.from_bytes(reg[start + address_bytes : start + step], "big")
        if size:
            yield DeviceRegisters(f"{name}: {part}" if part else name, compatible[0], base, size)


def _number(properties: "Mapping[str, memoryview]", name: str, default: int) -> int:
    value = properties.get(name)
    return default if value is None else int.from_bytes(value, "big")
