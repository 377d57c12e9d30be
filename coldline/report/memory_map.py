# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan as a list of regions (devices, RAM, segments, free RAM), as a table, and as JSON."""

import enum
import textwrap
from typing import Any, NamedTuple

from coldline.guest.devices import devices_of
from coldline.guest.plan import Bank, Plan, Segment
from coldline.image import Kernel
from coldline.report.plan_layout import rounded_size
from coldline.support.printable import one_line

_NARROWEST_REASON = 20
"""The fewest columns of a reason in a table."""


class RegionKind(enum.Enum):
    """The use of a region."""

    DEVICE = "device"
    BANK = "bank"
    SEGMENT = "segment"
    FREE = "free"


class MapRegion(NamedTuple):
    """A range of guest physical addresses with one use.

    Attributes
    ----------
    kind : RegionKind
        Its use.
    name : str
        The name of the device or the segment, safe for a terminal; ``RAM``, ``flash``, ``free``, or ``empty`` (in a
        flash).
    base, size : int
        In bytes.
    loaded : int
        Bytes of it that the builder writes.
    why : str
        Why it is there, in a phrase.
    rule : str
        The name of that reason; empty for regions that the planner did not place.
    """

    kind: RegionKind
    name: str
    base: int
    size: int
    loaded: int = 0
    why: str = ""
    rule: str = ""

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.size


def tree_of(plan: Plan) -> Segment | None:
    """The device tree that the guest gets, if it gets one."""
    return next((segment for segment in plan.segments if segment.name == "dtb"), None)


def devices(plan: Plan) -> list[MapRegion]:
    """The devices in the guest's device tree, by address."""
    tree = tree_of(plan)
    if tree is None:
        return []
    return [
        MapRegion(
            RegionKind.DEVICE,
            one_line(each.name),
            each.base,
            each.size,
            why=f"in the device tree: {one_line(each.compatible)}",
        )
        for each in devices_of("the guest's device tree", memoryview(tree.data[:]))
    ]


def bank_regions(plan: Plan, bank: Bank) -> list[MapRegion]:
    """The segments in a bank and the free regions between them, without gaps, by address."""
    found = []
    at = bank.base
    for segment in plan.segments:
        if not bank.base <= segment.address < bank.end:
            continue
        if segment.address > at:
            found.append(_free(bank, at, segment.address))
        found.append(
            MapRegion(
                RegionKind.SEGMENT,
                segment.name,
                segment.address,
                segment.size,
                segment.data.nbytes,
                segment.reason.value,
                segment.reason.rule,
            )
        )
        at = segment.end
    if at < bank.end:
        found.append(_free(bank, at, bank.end))
    return found


def whole_banks(plan: Plan) -> list[MapRegion]:
    """The banks, each as one region: RAM, or flash."""
    return [
        MapRegion(
            RegionKind.BANK,
            "flash" if bank.flash else "RAM",
            bank.base,
            bank.size,
            why=bank.reason.value,
            rule=bank.reason.rule,
        )
        for bank in plan.banks
    ]


def _free(bank: Bank, start: int, end: int) -> MapRegion:
    return MapRegion(RegionKind.FREE, "empty" if bank.flash else "free", start, end - start)


def map_table(plan: Plan, width: int | None = None) -> str:
    """The devices and the banks as a table for a terminal, by address, each bank with its segments.

    If it has more than `width` columns, the reasons in its last column are wrapped.
    """
    rows = [("from", "to", "size", "what", "why")]
    inside = {bank.base: bank_regions(plan, bank) for bank in plan.banks}
    for region in by_address(plan):
        rows.append(_row(region))
        if region.kind is RegionKind.BANK:
            rows += [_row(each, "  ") for each in inside[region.base]]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    before = sum(widths) + 2 * len(widths) + 2
    lines = []
    for start, end, size, what, why in rows:
        head = f"  {start:{widths[0]}}  {end:{widths[1]}}  {size:>{widths[2]}}  {what:{widths[3]}}  "
        first, *more = [why] if width is None else _wrapped(why, max(width - before, _NARROWEST_REASON))
        lines += [head + first, *(" " * before + each for each in more)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def by_address(plan: Plan) -> list[MapRegion]:
    """Devices and banks, by address."""
    return sorted([*devices(plan), *whole_banks(plan)], key=lambda region: region.base)


def _row(region: MapRegion, indent: str = "") -> tuple[str, str, str, str, str]:
    size, _, loaded = loaded_text(region).partition(", ")
    what = f"{indent}{region.name}, {loaded}" if loaded else indent + region.name
    return f"{region.base:#012x}", f"{region.end:#012x}", size, what, region.why


def loaded_text(region: MapRegion) -> str:
    """The size of a region; for a segment also how much of it is loaded, where the two rounded sizes differ."""
    size, loaded = rounded_size(region.size), rounded_size(region.loaded)
    return size if region.kind is not RegionKind.SEGMENT or loaded == size else f"{size}, {loaded} loaded"


def image_document(kernel: Kernel) -> dict[str, Any]:
    """The object for an image in JSON output."""
    return {
        "image": kernel.path,
        "architecture": kernel.architecture,
        "format": kernel.format,
        "layers": list(kernel.layers),
        "notes": list(kernel.notes),
    }


def plan_document(kernel: Kernel, plan: Plan) -> dict[str, Any]:
    """The object for a plan in JSON output."""
    regions = [region for bank in plan.banks for region in bank_regions(plan, bank)]
    return {
        **image_document(kernel),
        "exception_level": plan.exception_level,
        "entry": plan.registers.pc,
        "registers": {
            "general": list(plan.registers.general),
            "pstate": plan.registers.pstate,
            "sctlr": plan.registers.sctlr,
        },
        "banks": [
            {"name": each.name, "address": each.base, "size": each.size, "rule": each.rule, "why": each.why}
            for each in whole_banks(plan)
        ],
        "segments": [
            {
                "name": each.name,
                "address": each.base,
                "size": each.size,
                "loaded": each.loaded,
                "rule": each.rule,
                "why": each.why,
            }
            for each in regions
            if each.kind is RegionKind.SEGMENT
        ],
        "free": [{"address": each.base, "size": each.size} for each in regions if each.name == "free"],
        "devices": [
            {"name": each.name, "address": each.base, "size": each.size, "why": each.why}
            for each in devices(plan)
        ],
    }
