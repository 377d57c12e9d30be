# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the results of a survey of Debian's images as a page of Markdown: verdicts by project, host and version."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Final

from coldline.survey.shown import places, shown_cells, version_changes
from testbed.survey.causes import cause_rows, causes_of
from testbed.survey.suites import dates_of, suite_of, suite_place, suite_rows

__all__ = ["page"]

_STATES: Final = ("coherent", "hazard", "inconclusive", "error")
_JUDGED: Final = ("coherent", "hazard")
_WATCHED: Final = "two cores, watched"

_PROJECTS: Final = {
    "linux": "Linux",
    "debian-installer": "Installer",
    "u-boot": "U-Boot",
    "qemu-efi": "EDK2",
    "arm-trusted-firmware": "Trusted Firmware-A",
    "optee-os": "OP-TEE",
    "xen-hypervisor": "Xen",
}
"""The first words of a group's name, in the order of the page."""

_HEAD: Final = """\
# Survey of Debian's images

What coldline says of the images in Debian's packages for arm64 and armhf: {cells:,} runs of {images} images, made by
`scripts/survey` {dates}. Each run is an image on one host model, until it ends by itself, makes its first PSCI
call (kernels) or has executed its number of instructions. `coldline watch` follows two cores under QEMU, until a
kernel finds no root file system, or Xen no dom0. [All results](survey.jsonl) are a JSON object in each line, with
the package's SHA-256, the command line, the coverage, the first hazard's cause and what the run cost;
`scripts/survey -- --site DIR` shows each of them on [a page](../how-to/survey-images.md). A package that several
suites have is run once, under the oldest. A verdict is about what its run has executed.

[Causes](#causes) says what goes wrong, what it leads to and what mends it; [what
changed](#what-changed-between-versions), with which version it came or went. [Hosts and strategies](hosts.md)
describes both. The tables count images by verdict. The kinds of hazards are those that at least one of these images
has.

"""

_NOTES: Final = {
    "Linux": """\
Each flavour on each host, by each strategy of the builder. Without a strategy there is no hypervisor: the image lies
in memory as a boot loader or a reset leaves it. A kernel runs for 10 million instructions; by then it has all caches
on:

    coldline boot vmlinuz --until 10000000 --host HOST --strategy STRATEGY""",
    "Installer": """\
Debian's text installer for network boot is a kernel and an initrd. It runs as kernels do. That of arm64 runs once
more, *with its initrd*, until it has begun to unpack that:

    coldline boot linux --initrd initrd.gz --until 400000000 --max-instructions 500000000 --host HOST""",
    "U-Boot": """\
A board's U-Boot is `u-boot.bin`, with `--load` and `--entry` as `uboot.elf` has them; its machine is a named one, or
the device tree at the file's end (`--dtb-only`), with `--ram` of 512 MiB where that tree has none. With
`--mmio-default`, registers of the board that are not known read as zero.""",
}

_CHANGES_HEAD: Final = """
## What changed between versions

"""

_CAUSES_HEAD: Final = """
## Causes

The cause of each run's first hazard, with what the guest does if it gets the old bytes, and what mends it.
[Findings](../findings/index.md) has patches and proofs. What the builder or Xen leaves is no fault of the image.

"""

_STOPS_HEAD: Final = """
## Where runs stop without a verdict

A run that stops at a device says at which register, and which value it waits for. A loop without a register is code
that goes on in place, as U-Boot's does after an error. The console is the last line that it printed.

"""

_COST_HEAD: Final = """
## What a run costs

Seconds by the clock, on a machine of two processors that had other work, too. Processor time is that of all threads
and of QEMU; runs from before it was kept have none. Memory is the peak of one run.

"""


def page(results: Iterable[Mapping[str, Any]]) -> str:
    """Return the page.

    Parameters
    ----------
    results : iterable of mapping
        The results of a plan that `testbed.survey.plan.plan` wrote: see `coldline.survey.running`. Of results of the
        same run, by other code, the last one counts.
    """
    newest = {(row["group"], row["of_host"], row["of_strategy"], *row["words"]): row for row in results}
    rows = sorted(newest.values(), key=_order)
    cells = shown_cells(rows)
    for cell, row in zip(cells, rows, strict=True):
        cell["suite"], cell["project"] = suite_of(row), _project(cell["group"])
        cell["poll"], cell["fault"] = row.get("poll"), row.get("fault")
        cell["found"] = causes_of(row)
        if row["words"][0] == "watch":
            cell["host"] = _WATCHED
    projects = _grouped(cells, lambda cell: cell["project"])
    text = _HEAD.format(
        cells=len(cells),
        images=len({(cell["group"], cell["image"], cell["version"]) for cell in cells}),
        dates=dates_of(cells),
    )
    text += _markdown(suite_rows(cells)) + "\n" + _summary(projects)
    for project, mine in projects.items():
        note = f"{_NOTES[project]}\n\n" if project in _NOTES else ""
        text += f"\n## {project}\n\n{note}{_by_version(mine)}"
    if any(cell["found"] for cell in cells):
        text += _CAUSES_HEAD + _markdown(cause_rows(cells))
    if changed := version_changes(cells):
        text += _CHANGES_HEAD + _changes(changed)
    if stopped := [cell for cell in cells if cell["state"] not in _JUDGED]:
        text += _STOPS_HEAD + _stops(stopped)
    return text + (_COST_HEAD + _costs(cells) if cells else "")


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    suite, project = suite_of(row), _project(row["group"])
    names = [*_PROJECTS.values()]
    return (
        names.index(project) if project in names else len(names),
        suite_place(suite),
        row["group"],
        row["image"],
        row["version"],
    )


def _project(group: str) -> str:
    name = group.partition(",")[0]
    return next((project for start, project in _PROJECTS.items() if name.startswith(start)), name)


def _summary(projects: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    lines: list[Sequence[str]] = [("Project", "Runs", *_STATES)]
    for project, mine in projects.items():
        states = Counter(cell["state"] for cell in mine)
        counts = (f"{states[each]:,}" if states[each] else "" for each in _STATES)
        lines.append((f"[{project}](#{_anchor(project)})", f"{len(mine):,}", *counts))
    return _markdown(lines)


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _by_version(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of a project: a row for each group of images and way to run it, a column for each version."""
    suites = {cell["version"]: cell["suite"] for cell in reversed(cells)}
    versions = [*dict.fromkeys(cell["version"] for cell in cells)]
    built = ["Strategies"] if any(cell["strategy"] for cell in cells) else []
    lines: list[Sequence[str]] = [
        ("Images", "Host", *built, *(f"{version} ({suites[version]})" for version in versions))
    ]
    for group, of_group in sorted(_grouped(cells, lambda cell: cell["group"]).items()):
        for host, of_host in _grouped(of_group, lambda cell: cell["host"] + cell["cores"]).items():
            strategies: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for strategy, mine in _grouped(of_host, lambda cell: cell["strategy"]).items():
                of_version = _grouped(mine, lambda cell: cell["version"])
                strategies[tuple(_states(of_version.get(version, [])) for version in versions)].append(
                    strategy
                )
            lines += [
                (_images(group), host, *([", ".join(some)] if built else []), *told)
                for told, some in strategies.items()
            ]
    return _markdown(lines)


def _images(group: str) -> str:
    name, _, architecture = group.partition(", ")
    return architecture if name == "linux" else f"{name} ({architecture})"


def _states(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return how many images have which verdict, with the kinds of hazards that any of them has."""
    told = []
    for state, mine in sorted(_grouped(cells, lambda cell: cell["state"]).items()):
        kinds = sorted({kind for cell in mine for kind in cell["kinds"]})
        told.append(f"{len(mine)} {state}" + (f": {', '.join(kinds)}" if kinds else ""))
    return "; ".join(told)


def _changes(changes: Iterable[Mapping[str, Any]]) -> str:
    lines: list[Sequence[str]] = [("Images", "Before", "After", "Where")]
    for change in changes:
        told = [
            f"{cell['version']} ({cell['suite']}): {_verdict(cell)}"
            for cell in (change["before"], change["after"])
        ]
        group = change["after"]["group"]
        images = f"Linux, {_images(group)}" if change["after"]["project"] == "Linux" else _images(group)
        lines.append((images, *told, places(after for _, after in change["pairs"])))
    return _markdown(lines)


def _verdict(cell: Mapping[str, Any]) -> str:
    kinds = ", ".join(cell["kinds"])
    return f"{cell['state']}, {kinds}" if kinds else str(cell["state"])


def _stops(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return a row for each image and place at which it stops, with the versions that stop there."""
    lines: list[Sequence[str]] = [("Images", "Image", "Versions", "End", "Console")]
    for (group, image, end), mine in _grouped(
        cells, lambda cell: (cell["group"], cell["image"], _end(cell))
    ).items():
        console = f"`{mine[-1]['console'][-1]}`" if mine[-1]["console"] else ""
        versions = ", ".join(dict.fromkeys(cell["version"] for cell in mine))
        lines.append((_images(group), image, versions, end, console))
    return _markdown(lines)


def _end(cell: Mapping[str, Any]) -> str:
    """Return how a run ended, without the addresses that another version has elsewhere."""
    if cell["error"]:
        return str(cell["error"])
    said = re.sub(r" at pc 0x[0-9a-f]+", "", cell["poll"] or cell["fault"] or "")
    return f"{cell['end']}: {said}" if said else str(cell["end"])


def _costs(cells: Sequence[Mapping[str, Any]]) -> str:
    lines: list[Sequence[str]] = [
        ("Kind", "Runs", "Median", "Longest", "All", "Median of processor time", "Most memory")
    ]
    for kind, mine in _grouped(cells, _kind).items():
        seconds = [cell["seconds"] for cell in mine]
        of_processor = [cell["processor_seconds"] for cell in mine if cell["processor_seconds"] is not None]
        processor = f"{median(of_processor):.1f} s of {len(of_processor):,} runs" if of_processor else ""
        lines.append(
            (
                kind,
                f"{len(mine):,}",
                f"{median(seconds):.1f} s",
                f"{max(seconds):.1f} s",
                f"{sum(seconds) / 60:.0f} min",
                processor,
                f"{max(cell['peak'] for cell in mine):.0f} MiB",
            )
        )
    return _markdown(lines)


def _kind(cell: Mapping[str, Any]) -> str:
    if cell["project"] != "Linux":
        return str(cell["project"])
    return f"Linux, {_images(cell['group'])}, {'watched' if cell['host'] == _WATCHED else 'booted'}"


def _grouped(
    cells: Iterable[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], Any]
) -> dict[Any, list[Mapping[str, Any]]]:
    found: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for cell in cells:
        found[key(cell)].append(cell)
    return found


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
