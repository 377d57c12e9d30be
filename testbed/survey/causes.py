# SPDX-License-Identifier: GPL-2.0-or-later
"""The causes of a survey's hazards, without addresses, and the page, the consequence and the repair of each."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

__all__ = ["Cause", "Finding", "cause_rows", "causes_of", "finding_of", "group_architecture"]


class Finding(NamedTuple):
    """What is known of a cause.

    Attributes
    ----------
    what : str
        What goes wrong, in a few words.
    page : str
        Where it is explained, relative to the page of the survey.
    consequence, repair : str
        What the old bytes lead to, and what mends it.
    """

    what: str
    page: str
    consequence: str
    repair: str


class Cause(NamedTuple):
    """A cause, the same for all versions of an image.

    Attributes
    ----------
    kind : str
        The kind of its hazards.
    decider, reader : str
        Who stores or maintains, and who gets old bytes, such as ``guest write``.
    """

    kind: str
    decider: str
    reader: str


_LINUX: Final = ("Linux", "Installer")
"""Projects whose images are Linux."""

_PLACE: Final = re.compile(r"(?: at)? \S*(?:\+|\b)0x[0-9a-f]+")
_CORE: Final = re.compile(r"^cpu\d+\.")

_RELOCATION: Final = "../findings/u-boot-relocation.md"
_BUILDER: Final = Finding(
    "the builder leaves its image in dirty lines, or below older lines",
    "../explanation/verdicts.md",
    "the kernel executes or reads what was there before",
    "the builder's: maintenance by address to the point of coherency, as by `hypercall`",
)
_SCRUB: Final = Finding(
    "Xen scrubs a page after it has flushed it",
    "../reference/hosts.md#when-the-scrub-leaves-dirty-lines",
    "zeros over the image",
    "Xen's: flush after the scrub",
)
_DIRTY: Final = Finding(
    "what it stores with its data cache off, under dirty lines from before",
    "../reference/hosts.md#bootloader-dirty",
    "not tried",
    "the earlier stage's: clean and invalidate the RAM that it has used",
)
_RULES: Final[Sequence[tuple[str, str, str, Finding]]] = (
    ("Linux, arm64", "lost-write", "guest write", Finding(
        "an early stack, with the MMU off, under dirty lines of the loader's",
        "../findings/linux-arm64-early-stack.md",
        "the boot ends",
        "invalidate the stack before its first use; a patch is built",
    )),
    ("Linux, arm64", "stale-fetch", "(?:el1|guest) write", Finding(
        "a function that is changed while it is used",
        "../reference/watch.md#linux",
        "none: the old instruction and the new one do the same here",
        "none is needed",
    )),
    ("Linux, arm64", "", "(?:dom0|vmm) ", _BUILDER),
    ("Linux, armhf", "", "dom0 ", _BUILDER),
    ("Linux, arm64", "", "xen ", _SCRUB),
    ("Linux, armhf", "lost-write", "guest write", Finding(
        "the decompressor's stack, with the MMU off, under dirty lines of the loader's",
        "../findings/linux-arm32-moves-itself.md#under-dirty-lines",
        "not tried",
        "the loader's: clean and invalidate the RAM that it has used",
    )),
    ("Linux, armhf", "", "guest write", Finding(
        "a zImage that moves itself past the caches",
        "../findings/linux-arm32-moves-itself.md",
        "executes zeros; by the code around them nothing, or the boot ends",
        "maintenance by address of the copy; a patch is built",
    )),
    ("U-Boot", "stale-fetch", "guest write", Finding(
        "relocation past the caches, without maintenance by address or a barrier",
        _RELOCATION,
        "on QEMU's machine: executes zeros, and resets",
        "maintenance by address in `relocate_code`; a patch is built",
    )),
    ("U-Boot", "stale-read", "guest write", Finding(
        "no barrier between the stores of its tables and the MMU",
        f"{_RELOCATION}#no-barrier-before-its-tables-arm32",
        "on QEMU's machine: an instruction abort",
        "a DSB before the MMU is on; a patch is built",
    )),
    ("U-Boot", "lost-write", "guest write", Finding(
        "its stack and data, with the MMU off, under dirty lines from before",
        f"{_RELOCATION}#what-happens",
        "not tried",
        "the earlier stage's: clean and invalidate the RAM that it has used",
    )),
    ("EDK2", "lost-write", "guest ", Finding(
        "the first stack, under dirty lines of before the reset",
        "../findings/edk2-arm32-temporary-ram.md#patch",
        "not tried",
        "none is known; EDK2 has no 32-bit Arm any more",
    )),
    ("OP-TEE", "stale-read", "guest write", Finding(
        "settings of the MMU beside code, stored with the data cache off",
        "../findings/op-tee-boot-mmu-config.md",
        "with ASLR a loop, without it nothing",
        "one DC CIVAC; a patch is built",
    )),
    ("OP-TEE", "lost-write", "guest ", _DIRTY),
    ("Trusted Firmware-A", "lost-write", "guest ", _DIRTY),
    ("Xen", "", "guest write", Finding(
        "first tables that a cache may have from before",
        "../findings/xen-first-tables.md",
        "an instruction abort when its MMU is on",
        "DC IVAC of the tables before the MMU is on; a patch is built",
    )),
    ("Xen", "", "el2 write", Finding(
        "first tables that a cache may have from before",
        "../findings/xen-first-tables.md#arm32",
        "not tried",
        "maintenance by address of the tables before the MMU is on",
    )),
)  # fmt: skip
"""Project, kind and the beginning of the decider of each. The first that fits counts.

That they are the causes of U-Boot's boards and of the arm32 kernels was seen by the instruction at the decider of
their results: the loop that copies, the store of a descriptor; for all but some twenty of the lost writes, a push."""


def causes_of(result: Mapping[str, Any]) -> Iterable[Cause]:
    """Return the causes that a result has, without addresses and numbers of cores."""
    return dict.fromkeys(
        Cause(cause["kind"], _plain(cause["identity"]["decider"]), _plain(cause["identity"]["reader"]))
        for cause in result.get("causes") or []
        if {"decider", "reader"} <= cause.get("identity", {}).keys()
    )


def finding_of(project: str, cause: Cause) -> Finding | None:
    """Return what is known of a cause of a project, such as ``U-Boot`` or ``Linux, arm64``; None if nothing is."""
    for of_project, kind, decider, finding in _RULES:
        if of_project == project and kind in ("", cause.kind) and re.match(decider, cause.decider):
            return finding
    return None


def cause_rows(cells: Iterable[Mapping[str, Any]]) -> list[Sequence[str]]:
    """Return the rows of a table, its head first: one for each cause of a project's images on an architecture.

    Parameters
    ----------
    cells : iterable of mapping
        What `coldline.survey.shown.shown_cells` returns, each with its ``project`` and its `causes_of`, ``found``.
    """
    found: dict[tuple[str, str], list[tuple[Mapping[str, Any], str]]] = defaultdict(list)
    told = {}
    for cell in cells:
        architecture = group_architecture(cell["group"])
        project = f"{cell['project']}, {architecture}"
        known_as = f"Linux, {architecture}" if cell["project"] in _LINUX else cell["project"]
        for cause in cell["found"]:
            known = finding_of(known_as, cause)
            what = (
                f"[{known.what}]({known.page})"
                if known
                else f"not looked into: {cause.decider}, {cause.reader}"
            )
            found[project, what].append((cell, cause.kind))
            told[project, what] = (known.consequence, known.repair) if known else ("", "")
    lines: list[Sequence[str]] = [
        ("Images", "Cause", "Kinds", "Versions", "Hosts", "Runs", "With the old bytes", "Repair")
    ]
    projects = [*dict.fromkeys(project for project, _ in found)]
    for (project, what), mine in sorted(found.items(), key=lambda item: projects.index(item[0][0])):
        of_cause = {cell["number"]: cell for cell, _ in mine}.values()
        versions = ", ".join(dict.fromkeys(cell["version"] for cell in of_cause))
        kinds = ", ".join(sorted({kind for _, kind in mine}))
        lines.append(
            (project, what, kinds, versions, _hosts(of_cause), f"{len(of_cause):,}", *told[project, what])
        )
    return lines


def _hosts(cells: Iterable[Mapping[str, Any]]) -> str:
    """Return the hosts of cells, each with its strategies."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for cell in cells:
        found[cell["host"]][cell["strategy"]] = None
    named = ((host, ", ".join(filter(None, strategies))) for host, strategies in found.items())
    return "; ".join(f"{host} by {some}" if some else host for host, some in named)


def group_architecture(group: str) -> str:
    """Return the architecture of a group of images, such as ``qemu-efi-arm, arm64`` of a package for all of them."""
    name, _, suite = group.partition(", ")
    return "armhf" if name == "qemu-efi-arm" else suite


def _plain(place: str) -> str:
    return _CORE.sub("", _PLACE.sub("", place))
