# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the results of a survey of Debian's images as a page of Markdown."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import Any, Final

from coldline.survey.shown import shown_cells, version_changes

__all__ = ["page"]

_SUITES: Final = ("bookworm", "bookworm-backports", "trixie", "trixie-backports", "unstable")
_VERDICTS: Final = ("coherent", "hazard", "inconclusive", "error")
_KERNELS: Final = "linux, "

_HEAD: Final = """\
# Survey of Debian's images

What `coldline boot` says of the images in Debian's packages for arm64 and armhf: {cells:,} runs of {images} images,
made by `scripts/survey` {dates}. Each run is an image on one core and one host model, until it ends by itself,
makes its first PSCI call (kernels) or has executed its number of instructions. [All results](survey.jsonl) are a JSON
object in each line, with the package's SHA-256, the command line, the coverage, the causes and what the run cost.
A package that several suites have is run once, under the oldest of them.

| Verdict | Runs |
| --- | --- |
{verdicts}
"""

_KERNELS_HEAD: Final = """
## Kernels

Each kernel on each host model, by each strategy of the builder: how many have which verdict. Without a strategy there
is no hypervisor: the image lies in memory as a boot loader or a reset leaves it. A kernel runs for 10 million
instructions; by then it has all caches on. `coldline watch` follows two cores under QEMU, until the kernel finds no
root file system.

"""

_CHANGES_HEAD: Final = """
## What changed between versions

"""

_FIRMWARE_HEAD: Final = """
## Firmware, boards and hypervisors

*End* and *Console* (the last line that it printed) are those of the first host. A run that stops at a device says
where, at which register, and which value it waits for. A board's U-Boot is `u-boot.bin`, with `--load` and `--entry`
as `uboot.elf` has them; its machine is a named one, or the device tree at the file's end (`--dtb-only`), with `--ram`
of 512 MiB where that tree has none. With `--mmio-default`, registers of the board that are not known read as zero.
"""

_COST_HEAD: Final = """
## What it cost

Two runs at once on two processors. Peak memory is that of one run.

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
        cell["suite"] = _suite(row)
        cell["pc"], cell["poll"], cell["fault"] = row.get("pc"), row.get("poll"), row.get("fault")
        cell["by"] = row.get("of_strategy") or ""
        cell["on"] = row.get("of_host") or ("two cores, watched" if row["words"][0] == "watch" else "")
    kernels = [cell for cell in cells if cell["group"].startswith(_KERNELS)]
    others = [cell for cell in cells if not cell["group"].startswith(_KERNELS)]
    dates = sorted({cell["date"] for cell in cells})
    states = Counter(cell["state"] for cell in cells)
    text = _HEAD.format(
        cells=len(cells),
        images=len({(cell["group"], cell["image"], cell["version"]) for cell in cells}),
        dates=f"on {dates[0]}" if len(dates) == 1 else f"from {dates[0]} to {dates[-1]}" if dates else "",
        verdicts="\n".join(f"| {state} | {states[state]:,} |" for state in _VERDICTS),
    )
    if kernels:
        text += _KERNELS_HEAD + _of_kernels(kernels)
    if changed := version_changes(cells):
        text += _CHANGES_HEAD + "".join(map(_change, changed))
    if others:
        text += _FIRMWARE_HEAD
        for suite, of_suite in groupby(others, key=lambda cell: cell["suite"]):
            text += f"\n### {suite}\n\n{_of_firmware(list(of_suite))}"
    return text + (_COST_HEAD + _costs(cells) if cells else "")


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    suite = _suite(row)
    at = _SUITES.index(suite) if suite in _SUITES else len(_SUITES)
    return at, row["group"], row["image"], row["version"], row["of_host"] or "", row["of_strategy"] or ""


def _suite(row: Mapping[str, Any]) -> str:
    return str(row["origin"].partition(" ")[0])


def _of_kernels(cells: Sequence[Mapping[str, Any]]) -> str:
    lines: list[Sequence[str]] = [("Kernels", "Host", "Strategy", *_VERDICTS, "Hazards")]
    by_way = _grouped(cells, lambda cell: (cell["group"].removeprefix(_KERNELS), cell["on"], cell["by"]))
    for way, mine in sorted(by_way.items()):
        states = Counter(cell["state"] for cell in mine)
        kinds = sorted({kind for cell in mine for kind in cell["kinds"]})
        lines.append((*way, *(str(states[each] or "") for each in _VERDICTS), ", ".join(kinds)))
    return _markdown(lines)


def _change(change: Mapping[str, Any]) -> str:
    before, after = change["before"], change["after"]
    told = [f"{cell['version']} ({cell['suite']}) is {_verdict(cell)}" for cell in (before, after)]
    return f"- {after['group']}, {after['image']}, {after['way']}: {told[0]}, {told[1]}\n"


def _of_firmware(cells: Sequence[Mapping[str, Any]]) -> str:
    lines: list[Sequence[str]] = [("Package", "Image", "Verdict", "End", "Console")]
    for (group, version, image), mine in _grouped(
        cells, lambda cell: (cell["group"], cell["version"], cell["image"])
    ).items():
        told = _grouped(mine, _verdict)
        verdicts = [
            verdict if len(told) == 1 else f"{verdict} ({', '.join(cell['on'] for cell in each)})"
            for verdict, each in told.items()
        ]
        console = f"`{mine[0]['console'][-1]}`" if mine[0]["console"] else ""
        lines.append(
            (f"{group.replace(', ', f' {version} (')})", image, "; ".join(verdicts), _end(mine[0]), console)
        )
    return _markdown(lines)


def _verdict(cell: Mapping[str, Any]) -> str:
    kinds = ", ".join(cell["kinds"])
    return f"{cell['state']}: {kinds}" if kinds else str(cell["state"])


def _end(cell: Mapping[str, Any]) -> str:
    if cell["error"]:
        return str(cell["error"])
    at = f" at {cell['pc']:#x}" if cell["pc"] is not None and not cell["fault"] else ""
    said = cell["poll"] or cell["fault"]
    return f"{cell['end']}{at}: {said}" if said else f"{cell['end']}{at}"


def _costs(cells: Sequence[Mapping[str, Any]]) -> str:
    lines: list[Sequence[str]] = [("Kind", "Runs", "Median", "Longest", "All", "Most memory")]
    for kind, mine in sorted(_grouped(cells, _kind).items()):
        seconds = [cell["seconds"] for cell in mine]
        lines.append(
            (
                kind,
                str(len(mine)),
                f"{median(seconds):.1f} s",
                f"{max(seconds):.1f} s",
                f"{sum(seconds) / 60:.0f} min",
                f"{max(cell['peak'] for cell in mine):.0f} MiB",
            )
        )
    return _markdown(lines)


def _kind(cell: Mapping[str, Any]) -> str:
    name = str(cell["group"].partition(",")[0])
    return next((kind for kind in ("u-boot", "qemu-efi", "xen-hypervisor") if name.startswith(kind)), name)


def _grouped(
    cells: Sequence[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], Any]
) -> dict[Any, list[Mapping[str, Any]]]:
    found: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for cell in cells:
        found[key(cell)].append(cell)
    return found


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
