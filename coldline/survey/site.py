# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the results of a survey as a page that fetches nothing: verdicts, changes between versions, causes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from coldline import __version__
from coldline.errors import MissingDependencyError, SurveyError
from coldline.support.printable import printable

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
    cells = [_shown(number, result) for number, result in enumerate(results, start=1)]
    text = template.render(
        version=__version__,
        tables=_tables(cells),
        cells=cells,
        changes=list(_changes(cells)),
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


def _shown(number: int, result: Mapping[str, Any]) -> dict[str, Any]:
    host = result.get("host") or result.get("of_host") or ""
    strategy = result.get("strategy") or result.get("of_strategy") or ""
    way = " by ".join(filter(None, (host, strategy))) or result["words"][0]
    cores = f", {result['vcpus']} cores" if result["vcpus"] > 1 else ""
    return {
        "number": number,
        "image": result["image"],
        "version": result["version"],
        "group": result["group"],
        "way": way + cores,
        "state": result.get("verdict") or "error",
        "kinds": sorted(result.get("hazards_by_kind") or {}),
        "kinds_counted": result.get("hazards_by_kind") or {},
        "error": result["error"],
        "end": result.get("end") or "",
        "because": result.get("inconclusive_because") or [],
        "coverage": result.get("coverage") or {},
        "console": result.get("console") or [],
        "causes": [_cause(each) for each in result.get("causes", [])],
        "words": ["coldline", *result["words"]],
        "seconds": result.get("seconds", 0.0),
        "peak": result.get("peak_bytes", 0) / (1 << 20),
        "date": result.get("date", ""),
    }


def _cause(cause: Mapping[str, Any]) -> dict[str, Any]:
    identity = cause.get("identity", {})
    repairs = (cause.get("repairs") or {}).get("found") or []
    return {
        "kind": cause["kind"],
        "what": f"{identity.get('decider', '')} {cause['words']}; {identity.get('reader', '')} gets old bytes",
        "hazards": cause["hazards"],
        "repair": " and ".join((repairs[0].get("with") or []) if repairs else []),
        "consequence": (cause.get("consequence") or {}).get("words", ""),
        "identity": tuple(sorted((key, str(value)) for key, value in identity.items() if key != "subject")),
    }


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


def _changes(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return where a version has another verdict, or other kinds, than the one before it in the plan."""
    runs: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        runs[cell["group"], cell["image"], cell["way"]].append(cell)
    return [
        {"before": before, "after": after}
        for versions in runs.values()
        for before, after in pairwise(versions)
        if (before["state"], before["kinds"]) != (after["state"], after["kinds"])
    ]


def _causes(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each cause once, with the cells that have it, the most frequent first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells:
        for cause in cell["causes"]:
            key = (cell["image"], cause["kind"], cause["identity"])
            found.setdefault(key, {**cause, "image": cell["image"], "cells": []})["cells"].append(cell)
    return sorted(found.values(), key=lambda cause: -len(cause["cells"]))
