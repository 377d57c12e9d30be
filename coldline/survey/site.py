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
from coldline.survey.shown import places, shown_cells, version_changes

__all__ = ["write_site"]

_TEMPLATE: Final = "survey.html"
_FEW: Final = 100
"""Cells, or changes, of which a page shows all at once."""


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
    environment.filters.update(printable=printable, places=places)
    template = environment.from_string(
        resources.files("coldline.survey").joinpath("templates", _TEMPLATE).read_text("utf-8")
    )
    cells = shown_cells(results)
    groups = _groups(cells)
    text = template.render(
        version=__version__,
        groups=groups,
        counts=Counter(cell["state"] for cell in cells),
        cells=len(cells),
        open=len(cells) <= _FEW,
        open_changes=sum(len(group["changes"]) for group in groups) <= _FEW,
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


def _groups(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each group of images with its rows, changes, causes and cells, in the order of the plan."""
    names = dict.fromkeys(cell["group"] for cell in cells)
    found = {name: _group(number, name, cells) for number, name in enumerate(names, start=1)}
    for change in version_changes(cells):
        found[change["after"]["group"]]["changes"].append(change)
    return list(found.values())


def _group(number: int, name: str, cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    mine = [cell for cell in cells if cell["group"] == name]
    versions = list(dict.fromkeys(cell["version"] for cell in mine))
    rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for cell in mine:
        rows[cell["image"], cell["way"]][cell["version"]] = cell
    for of_version in rows.values():
        changed = len({(cell["state"], *cell["kinds"]) for cell in of_version.values()}) > 1
        for cell in of_version.values():
            cell["changed"] = changed
    return {
        "number": number,
        "name": name,
        "cells": mine,
        "counts": Counter(cell["state"] for cell in mine),
        "versions": versions,
        "rows": [
            {
                "image": image,
                "way": way,
                "cells": [of_version.get(version) for version in versions],
                "changed": any(cell["changed"] for cell in of_version.values()),
            }
            for (image, way), of_version in rows.items()
        ],
        "causes": _causes(mine),
        "changes": [],
    }


def _causes(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each cause once, with the images, versions and cells that have it, the most frequent first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells:
        for cause in cell["causes"]:
            key = (cause["kind"], cause["identity"], cause["repair"], cause["consequence"])
            found.setdefault(key, {**cause, "cells": []})["cells"].append(cell)
    for cause in found.values():
        for name in ("image", "version"):
            cause[f"{name}s"] = list(dict.fromkeys(cell[name] for cell in cause["cells"]))
    return sorted(found.values(), key=lambda cause: -len(cause["cells"]))
