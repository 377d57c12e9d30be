# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the results of a survey as a page of Markdown."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

_SUITES = ("bookworm", "bookworm-backports", "trixie", "trixie-backports", "unstable")

_HEAD = """\
# Survey of Debian's images

What `coldline boot` says of the images in Debian's packages for arm64 and armhf, made by `scripts/survey` on {date}.
Each image is run on one core with the host model and the strategy that are its default ({hosts}), until it ends by
itself, makes its first PSCI call (kernels) or has executed {instructions:,} instructions. *Console* is the last line
that it printed. A run that stops at a device says where, at which register, and which value it waits for.

A board's U-Boot is `u-boot.bin`, with `--load` and `--entry` as `uboot.elf` has them; its machine is a named one, or
the device tree at the file's end (`--dtb-only`), with `--ram` of 512 MiB where that tree has none. With
`--mmio-default`, registers of the board that are not known read as zero.
{reached} of {boards} boards' U-Boots print something. A survey that is stopped goes on where it was; what it has not
reached yet is not on the page.
"""


def page(results: Iterable[dict[str, Any]], *, date: str, instructions: int) -> str:
    """Return the page.

    Parameters
    ----------
    results : iterable of dict
        The results: see `testbed.survey.runs`.
    date : str
        The day on which they were made.
    instructions : int
        The most instructions of each run.
    """
    rows = sorted(results, key=_order)
    boards = [row for row in rows if row["package"].startswith("u-boot-")]
    hosts = ", ".join(sorted({_host(row) for row in rows if row.get("host")}))
    text = _HEAD.format(
        date=date,
        hosts=hosts,
        instructions=instructions,
        reached=sum(bool(row.get("console")) for row in boards),
        boards=len(boards),
    )
    for suite, of_suite in groupby(rows, key=lambda row: row["suite"]):
        text += f"\n## {suite}\n\n"
        text += _markdown(
            [
                ("Package", "Image", "Verdict", "End", "Console"),
                *((_package(row), row["image"], _verdict(row), _end(row), _console(row)) for row in of_suite),
            ]
        )
    return text


def _order(row: dict[str, Any]) -> tuple[int, str, str, str]:
    at = _SUITES.index(row["suite"]) if row["suite"] in _SUITES else len(_SUITES)
    return at, row["architecture"], row["package"], row["image"]


def _host(row: dict[str, Any]) -> str:
    return f"{row['host']} by {row['strategy']}" if row.get("strategy") else str(row["host"])


def _package(row: dict[str, Any]) -> str:
    name, version, *_ = row["package"].split("_")
    return f"{name} {version} ({row['architecture']})"


def _verdict(row: dict[str, Any]) -> str:
    if not row.get("verdict"):
        return "error"
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in (row["hazards_by_kind"] or {}).items())
    return f"{row['verdict']}: {kinds}" if kinds else str(row["verdict"])


def _end(row: dict[str, Any]) -> str:
    if row["error"]:
        return str(row["error"])
    said = row.get("poll") or row.get("fault") or row.get("end") or ""
    at = f" at {row['pc']:#x}" if row.get("pc") is not None and not row.get("fault") else ""
    return f"{row['end']}{at}: {said}" if said != row["end"] else f"{said}{at}"


def _console(row: dict[str, Any]) -> str:
    return f"`{row['console'][-1]}`" if row.get("console") else ""


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
