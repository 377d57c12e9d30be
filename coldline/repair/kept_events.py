# SPDX-License-Identifier: GPL-2.0-or-later
"""Searches repairs in the events of a run that concern the hazards, which are few, in place of the whole run.

The lines of a cache do not affect one another, and an operation by address has no effect on other lines. So what is
proven of these events is proven of the run, if the operation concerns no line between those of the hazards.
"""

from collections.abc import Mapping
from typing import Final

from coldline.checker.checker import Checker
from coldline.checker.state.findings import entries
from coldline.explain.selection import KeptEvents
from coldline.repair.proof import checked
from coldline.repair.repairs import find_repairs
from coldline.repair.result import Failure, Place, Repair, Repairs, Target
from coldline.rules.profile import Profile

APART: Final = (
    "it also concerns lines between those of the hazards: only the run with it shows what it does to these"
)
"""The remark on a repair whose lines are not all those of hazards."""

Hazards = set[tuple[int, str, int, int]]
"""For each hazard of a line its event, its kind, its first byte and its size."""


class KeptSearch:
    """A search in the kept events of a run.

    Parameters
    ----------
    kept : KeptEvents
        The events.
    profile : Profile
        The profile of the run.
    """

    def __init__(self, kept: KeptEvents, profile: Profile) -> None:
        self._kept, self._profile = kept, profile
        self._checker = checked(kept, profile, distinct=True)

    def is_exact(self, whole: Checker, targets: Mapping[int, Target]) -> bool:
        """Whether a check of the kept events finds of the hazards' lines what the check of the whole run found."""
        lines = set().union(*(_lines_of(target, self._profile.line) for target in targets.values()))
        found = {
            (self._kept.number_of(number), kind, address, size)
            for number, kind, address, size in _hazards(self._checker, lines)
        }
        return found == _hazards(whole, lines)

    def find(self, target: Target) -> Repairs:
        """Find the repairs of a cause; events have their numbers in the run."""
        mapped = []
        for entry in target.entries:
            index = self._kept.index_of(entry.number)
            if index is None:
                return Repairs([], [], "the events of its lines were not kept")
            mapped.append(entry._replace(number=index))
        found = find_repairs(self._kept, self._profile, self._checker, Target(tuple(mapped)), of_run=True)
        if found.found and _are_apart(target, self._profile.line):
            found = found._replace(found=found.found[:1], remark=APART)
        return Repairs(
            [self._repair(each) for each in found.found], list(map(self._failure, found.failed)), found.remark
        )

    def _repair(self, repair: Repair) -> Repair:
        return repair._replace(
            earliest=tuple(map(self._place, repair.earliest)), latest=tuple(map(self._place, repair.latest))
        )

    def _failure(self, failure: Failure) -> Failure:
        return failure._replace(place=self._place(failure.place))

    def _place(self, place: Place) -> Place:
        return place._replace(number=self._kept.number_of(place.number))


def _are_apart(target: Target, line: int) -> bool:
    """Whether there are lines between those of a target's hazards."""
    first, end = target.lines(line)
    return len(_lines_of(target, line)) * line < end - first


def _lines_of(target: Target, line: int) -> set[int]:
    """The lines of a target's hazards."""
    return {
        base
        for entry in target.entries
        for base in range(entry.address - entry.address % line, entry.address + entry.size, line)
    }


def _hazards(checker: Checker, lines: set[int]) -> Hazards:
    """The hazards in some lines."""
    size = checker.profile.line
    return {
        (entry.number, entry.kind, entry.address, entry.size)
        for entry in entries(checker.findings, size)
        if entry.address - entry.address % size in lines
    }
