# SPDX-License-Identifier: GPL-2.0-or-later
"""Describes a machine by its device tree: RAM, serial ports, interrupt controller.

Source: Devicetree Specification 0.4, 2.3.8 (``ranges``), 3.3, 3.4, 3.6; Linux
Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml and arm,gic-v3.yaml (6.1).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from coldline.errors import ImageError
from coldline.guest.layout import AddressRange
from coldline.guest.machines import MachineLayout, SerialPort
from coldline.guest.serial_kinds import PL011_KIND, serial_kind_of
from coldline.image.content import Allowance, Content
from coldline.image.flat_tree import FlatTree
from coldline.support.frozen_record import replace
from coldline.support.units import PAGE_SIZE

_GICV2 = ("arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic", "arm,cortex-a7-gic")
_GICV3 = "arm,gic-v3"
_ROOT = 0
_DEFAULT_CELLS = (2, 1)
_PHYSICAL = 1 << 40
_MAX_BANKS = 4


class _Node(NamedTuple):
    """A node with what its parents say about its addresses.

    Attributes
    ----------
    path : str
        Its path.
    properties : mapping of str to memoryview
        Its properties.
    registers : list of AddressRange
        Its ``reg``, translated to the addresses of the cores; empty if it has none there.
    """

    path: str
    properties: Mapping[str, memoryview]
    registers: list[AddressRange]

    @property
    def compatible(self) -> list[str]:
        return _texts(self.properties, "compatible")

    @property
    def enabled(self) -> bool:
        return _texts(self.properties, "status") in ([], ["okay"], ["ok"])


class _Window(NamedTuple):
    """A row of ``ranges``: addresses below a bus, and where the cores see them."""

    child: int
    parent: int
    size: int


def describe_machine(path: str, blob: memoryview, *, ram_is_given: bool = False) -> MachineLayout:
    """Return the machine that a device tree describes.

    Parameters
    ----------
    path : str
        The file, for messages and as the machine's name.
    blob : memoryview
        The tree.
    ram_is_given : bool
        Whether RAM is described elsewhere, so that the tree's does not matter.

    Raises
    ------
    ImageError
        If the tree is malformed, or has no RAM of whole pages.
    """
    tree = FlatTree(Content(path, blob, Allowance(0)))
    nodes = list(_walk(tree))
    ram = () if ram_is_given else _ram(path, nodes)
    machine = MachineLayout(name="device-tree", ram=ram, serials=_serials(nodes))
    return _with_gic(machine, nodes)


def _ram(path: str, nodes: list[_Node]) -> tuple[AddressRange, ...]:
    found = sorted(each for node in nodes if _is_memory(node) for each in node.registers if each.size)
    if not found:
        raise ImageError(path, "the device tree has no RAM: give --ram BASE,SIZE")
    for each in found:
        if each.base % PAGE_SIZE or each.size % PAGE_SIZE or each.end > _PHYSICAL:
            raise ImageError(
                path, f"the device tree's RAM at {each.base:#x} is not in whole pages below 2^40"
            )
    joined = _joined(found)
    if len(joined) > _MAX_BANKS:
        raise ImageError(path, f"the device tree has {len(joined)} banks of RAM; {_MAX_BANKS} is the most")
    return joined


def _walk(tree: FlatTree) -> Iterator[_Node]:
    """Yield all nodes."""
    waiting: list[tuple[str, int, tuple[int, int], list[_Window] | None]] = [("", _ROOT, _DEFAULT_CELLS, [])]
    while waiting:
        path, offset, cells, windows = waiting.pop()
        properties = tree.properties(offset)
        registers = [] if windows is None else _registers(properties, cells, windows)
        yield _Node(path or "/", properties, registers)
        inner = (
            _number(properties, "#address-cells", _DEFAULT_CELLS[0]),
            _number(properties, "#size-cells", _DEFAULT_CELLS[1]),
        )
        below = [] if not path else _windows_below(properties, inner[0], cells[0], inner[1], windows)
        for name, child in reversed(tree.children(offset).items()):
            waiting.append((f"{path}/{name}", child, inner, below))


def _windows_below(
    properties: Mapping[str, memoryview],
    child_cells: int,
    parent_cells: int,
    size_cells: int,
    windows: list[_Window] | None,
) -> list[_Window] | None:
    """Return how addresses below a node are translated; None if cores do not see them, [] if they are the same."""
    if "ranges" not in properties or windows is None:
        return None
    rows = []
    for child, parent, size in _rows(properties["ranges"], (child_cells, parent_cells, size_cells)):
        at = _translated(AddressRange(parent, size), windows)
        if at is not None:
            rows.append(_Window(child, at.base, size))
    if len(properties["ranges"]) == 0:
        return windows
    return rows or None


def _translated(address: AddressRange, windows: list[_Window]) -> AddressRange | None:
    if not windows:
        return address
    for child, parent, size in windows:
        if child <= address.base < child + size:
            return AddressRange(address.base - child + parent, address.size)
    return None


def _registers(
    properties: Mapping[str, memoryview], cells: tuple[int, int], windows: list[_Window]
) -> list[AddressRange]:
    found = []
    for base, size in _rows(properties.get("reg", memoryview(b"")), cells):
        at = _translated(AddressRange(base, size), windows)
        if at is not None:
            found.append(at)
    return found


def _rows(value: memoryview, cells: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the rows of numbers of so many 32-bit cells each."""
    width = 4 * sum(cells)
    for start in range(0, len(value) - width + 1, width) if width else ():
        row, at = [], start
        for count in cells:
            row.append(int.from_bytes(value[at : at + 4 * count], "big"))
            at += 4 * count
        yield tuple(row)


def _is_memory(node: _Node) -> bool:
    by_name = node.path.count("/") == 1 and node.path[1:].partition("@")[0] == "memory"
    return node.enabled and (_texts(node.properties, "device_type") == ["memory"] or by_name)


def _joined(ram: list[AddressRange]) -> tuple[AddressRange, ...]:
    """Join ranges that overlap or touch."""
    joined: list[AddressRange] = []
    for each in ram:
        if joined and each.base <= joined[-1].end:
            joined[-1] = AddressRange(joined[-1].base, max(joined[-1].end, each.end) - joined[-1].base)
        else:
            joined.append(each)
    return tuple(joined)


def _serials(nodes: list[_Node]) -> tuple[SerialPort, ...]:
    console = _console(nodes)
    found: dict[str, SerialPort] = {}
    for node in nodes:
        kind = next(filter(None, map(serial_kind_of, node.compatible)), None)
        if kind is None or not node.registers or not (node.enabled or node.path == console):
            continue
        if kind == "ns16550" and _number(node.properties, "reg-shift", 0) == 2:
            kind = "ns16550-32"
        base = node.registers[0].base + _number(node.properties, "reg-offset", 0)
        size = PAGE_SIZE if kind == PL011_KIND else _SERIAL_SIZE
        if base + size <= _PHYSICAL:
            found[node.path] = SerialPort(kind, base, size)
    first = [found.pop(console)] if console in found else []
    return (*first, *found.values())


_SERIAL_SIZE = 0x100
"""Bytes: no kind has registers further on, except the PL011, which takes a page."""


def _console(nodes: list[_Node]) -> str:
    """Return the path of the console's node; empty if the tree does not say."""
    by_path = {node.path: node.properties for node in nodes}
    aliases = by_path.get("/aliases", {})
    chosen = by_path.get("/chosen", {})
    for name in ("stdout-path", "linux,stdout-path"):
        for text in _texts(chosen, name):
            path = text.partition(":")[0]
            return path if path.startswith("/") else next(iter(_texts(aliases, path)), "")
    return next(iter(_texts(aliases, "serial0")), "")


def _with_gic(machine: MachineLayout, nodes: list[_Node]) -> MachineLayout:
    for node in nodes:
        if len(node.registers) >= 2 and all(each.end <= _PHYSICAL for each in node.registers):
            pair = (node.registers[0], node.registers[1])
            if any(each in _GICV2 for each in node.compatible):
                virtual = (node.registers[2], node.registers[3]) if len(node.registers) >= 4 else None
                return replace(machine, gicv2=pair, gicv2_virtual=virtual, gic_version=2)
            if _GICV3 in node.compatible:
                return replace(machine, gicv3=pair, gic_version=3)
    return machine


def _number(properties: Mapping[str, memoryview], name: str, default: int) -> int:
    """Return a property of one cell; a number of cells is at most 4."""
    value = properties.get(name)
    if value is None or len(value) != 4:
        return default
    number = int.from_bytes(value, "big")
    return min(number, 4) if name.startswith("#") else number


def _texts(properties: Mapping[str, memoryview], name: str) -> list[str]:
    value = bytes(properties.get(name, b""))
    return [part.decode("latin-1") for part in value.rstrip(b"\0").split(b"\0")] if value else []
