# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict on events that were checked, with the stories of hazards from a second pass."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from coldline.checker.coverage import Coverage
from coldline.checker.final_read import Provenance, Region, Swept, sweep
from coldline.checker.finding_ranges import joined
from coldline.events.source import Source
from coldline.explain.explained import ExplainedHazard, Unread
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from coldline.checker.checker import Checker
    from coldline.explain.selection import KeptEvents


class Verdict(enum.Enum):
    """The verdict of a check."""

    COHERENT = "coherent"
    """No read of the events, and none of what was loaded by the final read, may be wrong."""
    HAZARD = "hazard"
    """Some may."""
    INCONCLUSIVE = "inconclusive"
    """None may, but too little was judged to call that coherent."""


@dataclass(slots=True)
class Judgement:
    """The result of a check of events.

    Attributes
    ----------
    profile : Profile
        The promises that it relied on.
    hazards : list of ExplainedHazard
        The listed hazards, in the order of events, then of addresses, then of kinds.
    kinds : dict of str to int
        The number of hazards of each kind, listed or not.
    kinds_of : dict of str to dict of str to int
        The same by the agent that they are of.
    events : int
        The number of events.
    hazard_events : int
        The number of times that an event may have read a line wrongly.
    final_read : list of Swept
        The hazards of a read of all segments, after the last event; empty if it was not requested.
    unread : list of Unread
        The same by whose bytes they are. Only those that were loaded are hazards of the verdict.
    coverage : Coverage
        The accesses that were judged.
    gaps : list of str
        Why the events are not enough for *coherent*, a clause each; empty if they are.
    warnings : list of str
        What is doubtful about the events, besides the verdict.
    """

    profile: Profile
    hazards: list[ExplainedHazard] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    kinds_of: dict[str, dict[str, int]] = field(default_factory=dict, kw_only=True)
    events: int = 0
    hazard_events: int = 0
    final_read: list[Swept] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    gaps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def interrupted(self) -> bool:
        """Whether an interrupt cut off the events, or the stories."""
        return WAS_INTERRUPTED in self.gaps

    @property
    def found(self) -> int:
        """The number of hazards, listed or not."""
        return sum(self.kinds.values())

    @property
    def all_kinds(self) -> list[str]:
        """The kinds of hazard of the events, and of the final read of what was loaded, sorted."""
        return sorted({*self.kinds, *(kind for each in self.unread_loaded for kind in each.found.kinds)})

    @property
    def unread_loaded(self) -> list[Unread]:
        """What the final read found of what was loaded and not written by the guest: hazards."""
        return [each for each in self.unread if each.found.content is Provenance.LOADED]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the events and on the final read."""
        if self.all_kinds:
            return Verdict.HAZARD
        return Verdict.INCONCLUSIVE if self.gaps else Verdict.COHERENT


class Watcher:
    """Follows a judgement; by itself, it does nothing."""

    def read(self, events: int) -> None:
        """Take the number of events that the first pass has had so far, where its caller counts them."""

    def found(self, judgement: Judgement, stories: int) -> None:
        """Take what the first pass found, before there is a second one.

        Parameters
        ----------
        judgement : Judgement
            The judgement, without stories, and without `unread`, which takes the second pass.
        stories : int
            How many hazards of the events will get a story.
        """

    def repeated(self, events: int) -> None:
        """Take the number of events that the second pass has had so far."""

    def telling(self, story: int, stories: int) -> None:
        """Take the number, from 1, of the story that will be worked out next, and how many there are."""

    def locating(self, events: int) -> None:
        """Take the number of events so far of the run that finds the instructions of stories, if there is one."""


WAS_INTERRUPTED = "it was interrupted"
"""The gap where an interrupt cut off the events, or what the second pass finds out about them."""

NOTHING_JUDGED = "no read, fetch or walk was judged"
"""The gap of events among which there is none that could find stale data."""


def judge(
    checker: "Checker",
    source: Source,
    *,
    most: int | None,
    stories: int,
    regions: Sequence[Region] = (),
    gaps: Sequence[str] = (),
    watcher: Watcher | None = None,
    kept: "KeptEvents | None" = None,
    interruptible: bool = False,
) -> Judgement:
    """Return the first pass's verdict and hazards, with stories from a second pass over the same events.

    Parameters
    ----------
    checker : Checker
        The result of `coldline.first_pass.check`.
    source : Source
        The same events: `check` and this function each run it once.
    most : int or None
        How many hazards to list, None for all; those of adjacent lines with the same events count as one.
    stories : int
        How many of them, and of what the final read found, get a story. If there is neither a hazard to tell nor
        anything that the final read found, there is no second pass, and lines are joined whatever their events.
    regions : sequence of Region
        The regions of the final read.
    gaps : sequence of str
        The gaps that the source knows: see `Judgement`.
    watcher : Watcher, optional
        Follows the second pass, if there is one.
    kept : KeptEvents, optional
        Takes the events of the second pass that may concern the hazards: see `coldline.explain.second_pass.tell`.
    interruptible : bool
        Whether KeyboardInterrupt ends the second pass, with the stories that are complete; else it is raised.

    Raises
    ------
    RepeatError
        If the second pass has other events than the first.
    """
    profile = checker.profile
    listed = list(islice(joined(checker.findings, profile.line), most))
    judgement = Judgement(
        profile,
        [ExplainedHazard(entry, None, []) for entry in listed],
        dict(sorted(checker.kinds.items())),
        checker.events,
        checker.hazards,
        sweep(checker, regions),
        kinds_of=checker.state.findings.kinds_of,
        coverage=checker.coverage,
        gaps=[*gaps, *([] if checker.coverage.judged else [NOTHING_JUDGED])],
        warnings=checker.warnings,
    )
    if (listed and stories) or any(each.stale for each in judgement.final_read):
        # Most checks need no second pass, and so not this import.
        from coldline.explain.second_pass import tell

        watcher = watcher or Watcher()
        watcher.found(judgement, min(stories, len(listed)))
        told = tell(
            listed,
            source,
            checker,
            judgement.final_read,
            stories,
            repeated=watcher.repeated,
            telling=watcher.telling,
            locating=watcher.locating,
            kept=kept,
            interruptible=interruptible,
        )
        judgement.hazards, judgement.unread = told.hazards[:most], told.unread
        if told.interrupted:
            judgement.gaps.append(WAS_INTERRUPTED)
    return judgement
