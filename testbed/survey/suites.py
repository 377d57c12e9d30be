# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's suites that are surveyed, and how many images of each have results."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from testbed.survey.causes import group_architecture

__all__ = ["SUITES", "dates_of", "suite_of", "suite_place", "suite_rows"]

SUITES: Final = ("bookworm", "bookworm-backports", "trixie", "trixie-backports", "unstable")


def suite_of(result: Mapping[str, Any]) -> str:
    """Return the suite of a result: the first word of its origin."""
    return str(result["origin"].partition(" ")[0])


def suite_place(suite: str) -> int:
    """Return the place of a suite in the order of `SUITES`, behind them for another one."""
    return SUITES.index(suite) if suite in SUITES else len(SUITES)


def dates_of(cells: Iterable[Mapping[str, Any]]) -> str:
    """Return when cells were run, such as ``on 2026-11-30``; nothing for no cells."""
    dates = sorted({cell["date"] for cell in cells})
    if len(dates) > 1:
        return f"from {dates[0]} to {dates[-1]}"
    return f"on {dates[0]}" if dates else ""


def suite_rows(cells: Iterable[Mapping[str, Any]]) -> list[Sequence[str]]:
    """Return the rows of a table, its head first: the images and runs of each suite.

    Parameters
    ----------
    cells : iterable of mapping
        What `coldline.survey.shown.shown_cells` returns, each with its ``suite``.
    """
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for cell in cells:
        found[cell["suite"]].append(cell)
    lines: list[Sequence[str]] = [("Suite", "Images for arm64", "Images for armhf", "Runs", "Run")]
    for suite in sorted(found, key=suite_place):
        mine = found[suite]
        images = {(cell["group"], cell["image"], cell["version"]) for cell in mine}
        counts = Counter(group_architecture(group) for group, *_ in images)
        lines.append(
            (suite, f"{counts['arm64']:,}", f"{counts['armhf']:,}", f"{len(mine):,}", dates_of(mine))
        )
    return lines
