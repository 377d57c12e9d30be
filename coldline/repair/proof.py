# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves a repair: the checker judges the whole trace with the operations put in."""

from collections.abc import Sequence

from coldline.checker.checker import Checker
from coldline.checker.finding_ranges import joined
from coldline.checker.state.findings import HazardEntry
from coldline.errors import TraceError
from coldline.events.batch import Batch
from coldline.events.inserting import Inserting, Insertion
from coldline.events.source import Source
from coldline.repair.result import Target
from coldline.rules.profile import Profile

Found = dict[tuple[int, str], list[tuple[int, int]]]
"""For an event's number and a kind of hazard, the ranges of bytes: the first, and one past the last."""


def checked(source: Source, profile: Profile, *, distinct: bool = False) -> Checker:
    """Check all events of a trace in one thread; `distinct` is as for `Checker`."""
    checker = Checker(profile, distinct=distinct)
    source.run(checker.feed)
    return checker


def found_in(checker: Checker) -> Found:
    """The hazards of a check."""
    found: Found = {}
    for entry in joined(checker.findings, checker.profile.line):
        found.setdefault((entry.number, entry.kind), []).append((entry.address, entry.address + entry.size))
    return found


class Proof:
    """Proves repairs of one trace.

    Parameters
    ----------
    source : Source
        The trace.
    profile : Profile
        Its profile.
    checker : Checker
        The check of the trace as it is.
    distinct : bool
        Whether it has each kind of hazard of a line once. Then a line that is read wrongly later is not repaired.

    Attributes
    ----------
    kept : int
        The most hazards of a proof that were in memory at once.
    """

    def __init__(self, source: Source, profile: Profile, checker: Checker, *, distinct: bool = False) -> None:
        self._source, self._distinct = source, distinct
        self._profile = profile
        self._as_it_is = found_in(checker)
        self.kept = 0

    def holds(self, insertions: Sequence[Insertion], target: Target) -> bool:
        """Whether the trace with the insertions has none of the target's hazards, and no other that it had not.

        At the target's reads, no kind of hazard may be left in its bytes. The check ends at the first hazard that
        must not be, as a wrong operation makes millions of reads wrong.
        """
        checker = Checker(self._profile, distinct=self._distinct)
        put_in = sorted(each.before + index for index, each in enumerate(sorted(insertions, key=_before)))

        def sink(batch: Batch) -> None:
            checker.feed(batch)
            self.kept = max(self.kept, len(checker.findings))
            for entry in joined(checker.findings, checker.profile.line):
                number = entry.number - sum(each < entry.number for each in put_in)
                if not self._may_be(entry._replace(number=number), target):
                    raise _WrongError
            checker.findings.clear()

        try:
            Inserting(self._source, insertions).run(sink)
        except (TraceError, _WrongError):
            return False
        return True

    def _may_be(self, entry: HazardEntry, target: Target) -> bool:
        """Whether a hazard of the trace with the insertions was there before, and is none of the target's."""
        start, end = entry.address, entry.address + entry.size
        if not within([(start, end)], self._as_it_is.get((entry.number, entry.kind), [])):
            return False
        return not any(
            each.number == entry.number and start < each.address + each.size and each.address < end
            for each in target.entries
        )


class _WrongError(Exception):
    """A hazard that must not be."""


def _before(insertion: Insertion) -> int:
    return insertion.before


def within(ranges: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> bool:
    """Whether each range is within the others, of which adjacent ones count as one."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(others):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return all(any(a <= low and high <= b for a, b in merged) for low, high in ranges)
