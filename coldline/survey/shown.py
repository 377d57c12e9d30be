# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page shows of results, and where a version has another verdict than the one before it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

__all__ = ["shown_cells", "version_changes"]


def shown_cells(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is shown of each result, under a number from 1 on.

    Parameters
    ----------
    results : iterable of mapping
        Results, as `coldline.survey.running.run_cell` returns them.
    """
    return [_shown(number, result) for number, result in enumerate(results, start=1)]


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


def version_changes(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return where a version has another verdict, or other kinds of hazards, than the one before it in the plan."""
    runs: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        runs[cell["group"], cell["image"], cell["way"]].append(cell)
    return [
        {"before": before, "after": after}
        for versions in runs.values()
        for before, after in pairwise(versions)
        if (before["state"], before["kinds"]) != (after["state"], after["kinds"])
    ]
