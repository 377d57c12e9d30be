# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the results of a survey as a page that fetches nothing: verdicts, changes between versions, causes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from coldline import __version__
from coldline.errors import MissingDependencyError, SurveyError
from coldline.support.printable import printable
from coldline.survey.shown import shown_cells, version_changes

__all__ = ["write_site"]

_TEMPLATE: Final = "survey.html"


def write_site(results: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write the page into a folder, which is made; return its path.

    Parameters
    ----------
    results : sequence of dict
        The results, in the order of the plan.
    folder : Path
        The folder.

    Raises
    ------
    MissingDependencyError
        Jinja2 is not installed.
    SurveyError
        The page cannot be written.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingDependencyError("the page of a survey needs jinja2: install coldline[survey]") from error
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["printable"] = printable
    template = environment.from_string(
        resources.files("coldline.survey").joinpath("templates", _TEMPLATE).read_text("utf-8")
    )
    cells = shown_cells(results)
    text = template.render(
        version=__version__,
        tables=_tables(cells),
        cells=cells,
        changes=version_changes(cells),
        causes=_causes(cells),
        counts=Counter(cell["state"] for cell in cells),
        seconds=sum(cell["seconds"] for cell in cells),
        dates=sorted({cell["date"] for cell in cells}),
    )
    path = folder / "index.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise SurveyError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _tables(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a table for each group: a row for each version of an image, a column for each way to run it."""
    found = []
    for group in dict.fromkeys(cell["group"] for cell in cells):
        mine = [cell for cell in cells if cell["group"] == group]
        ways = list(dict.fromkeys(cell["way"] for cell in mine))
        rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
        for cell in mine:
            rows[cell["image"], cell["version"]][cell["way"]] = cell
        lines = [
            {"image": image, "version": version, "cells": [of_way.get(way) for way in ways]}
            for (image, version), of_way in rows.items()
        ]
        found.append({"group": group, "ways": ways, "rows": lines})
    return found


def _causes(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each cause once, with the cells that have it, the most frequent first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells:
        for cause in cell["causes"]:
            key = (cell["image"], cause["kind"], cause["identity"])
            found.setdefault(key, {**cause, "image": cell["image"], "cells": []})["cells"].append(cell)
    return sorted(found.values(), key=lambda cause: -len(cause["cells"]))
