# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict on each builder's guest, of a report of `testbed.watched.xen`, as a table."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from testbed.watched.xen import DOM0

__all__ = ["GuestVerdict", "others", "table", "verdicts"]


class GuestVerdict(NamedTuple):
    """What was found for a builder's guest.

    Attributes
    ----------
    builder : str
        ``xl``, or a strategy.
    guest : str
        The name of its guest in the report; empty if there was none.
    ended : str
        ``up``, or why it did not come so far.
    kinds : dict of str to int
        Its hazards, by kind.
    """

    builder: str
    guest: str
    ended: str
    kinds: dict[str, int]

    @property
    def verdict(self) -> str:
        """In a word, or why there is none."""
        if self.kinds:
            return "hazard"
        return "coherent" if self.ended == "up" else "inconclusive"


def verdicts(report: Mapping[str, Any]) -> list[GuestVerdict]:
    """Return the verdict on each builder's guest, in their order.

    Guests begin in the order of their builders; one whose build failed never began. Dom0 says nothing of builders
    whose turn did not come, and of one whose guest was cut off.
    """
    guests = [name for name in report["machine"]["guests"] if name != DOM0]
    found, built = [], [ended for _, ended in report["built"]]
    for builder, ended in zip_longest(report["builders"], built, fillvalue="not built"):
        guest = guests.pop(0) if ended not in ("failed", "not built") and guests else ""
        found.append(GuestVerdict(builder, guest, ended, _kinds(report, guest) if guest else {}))
    return found


def others(report: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the hazards of Xen, dom0 and others, by their agents."""
    own = {verdict.guest for verdict in verdicts(report)}
    return {
        agent: kinds
        for agent, kinds in report.get("hazards_by_agent", {}).items()
        if _guest(agent) not in own
    }


def table(report: Mapping[str, Any]) -> str:
    """Return the verdicts as a table in Markdown, and a line for each of the others."""
    lines = [
        "| builder | guest | verdict | stale-read | stale-fetch | lost-write |",
        "|---|---|---|---|---|---|",
    ]
    for each in verdicts(report):
        counts = [f"{each.kinds.get(kind, 0):,}" for kind in ("stale-read", "stale-fetch", "lost-write")]
        lines.append(f"| `{each.builder}` | {each.ended} | {each.verdict} | {' | '.join(counts)} |")
    for agent, kinds in others(report).items():
        lines.append(f"{agent}: {', '.join(f'{kind} {count:,}' for kind, count in kinds.items())}")
    if report["inconclusive_because"]:
        lines.append(f"not followed: {'; '.join(report['inconclusive_because'])}")
    return "\n".join(lines)


def _kinds(report: Mapping[str, Any], guest: str) -> dict[str, int]:
    """The hazards of a guest, on all cores and by all types of its accesses."""
    kinds: dict[str, int] = {}
    for agent, found in report.get("hazards_by_agent", {}).items():
        if _guest(agent) == guest:
            for kind, count in found.items():
                kinds[kind] = kinds.get(kind, 0) + count
    return kinds


def _guest(agent: str) -> str:
    """The guest that an agent is of: ``cpu0.dom1-nc`` is of ``dom1``."""
    return agent.partition(".")[2].partition("-")[0]
