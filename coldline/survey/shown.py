# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page shows of results, and where a version has another verdict than the one before it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

__all__ = ["places", "shown_cells", "version_changes"]


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
        "host": host or result["words"][0],
        "strategy": strategy,
        "cores": cores,
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
        "processor_seconds": result.get("processor_seconds"),
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
    """Return where a version has another verdict, or other kinds of hazards, than the one before it in the plan.

    Parameters
    ----------
    cells : sequence of dict
        What `shown_cells` returns.

    Returns
    -------
    list of dict
        A change of each group of images, between two versions: ``pairs`` are the cells (before and after)
        that changed from the same to the same, ``before`` and ``after`` those of the first one.
    """
    runs: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for cell in cells:
        runs[cell["group"], cell["image"], cell["way"]].append(cell)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for versions in runs.values():
        for before, after in pairwise(versions):
            told = [(cell["version"], cell["state"], tuple(cell["kinds"])) for cell in (before, after)]
            if told[0][1:] != told[1][1:]:
                change = {"before": before, "after": after, "pairs": []}
                found.setdefault((after["group"], *told), change)["pairs"].append((before, after))
    return list(found.values())


def places(cells: Iterable[Mapping[str, Any]]) -> str:
    """Return the images of cells with their hosts and strategies; images that have the same ones are joined.

    Parameters
    ----------
    cells : iterable of mapping
        Some of what `shown_cells` returns.
    """
    hosts_of: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        strategies = hosts_of[cell["image"]][cell["host"], cell["cores"]]
        if cell["strategy"] not in strategies:
            strategies.append(cell["strategy"])
    images_of: dict[str, list[str]] = defaultdict(list)
    for image, hosts in hosts_of.items():
        images_of[", ".join(_host(*host, strategies) for host, strategies in hosts.items())].append(image)
    return "; ".join(f"{', '.join(images)} on {told}" for told, images in images_of.items())


def _host(host: str, cores: str, strategies: Sequence[str]) -> str:
    """Return a host with its strategies, such as ``rfc by none and flush``."""
    named = " and ".join(filter(None, strategies))
    return (f"{host} by {named}" if named else host) + cores
