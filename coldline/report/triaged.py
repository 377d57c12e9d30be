# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of the causes of a report: new, in the baseline, or suppressed."""

import enum
from typing import NamedTuple


class CauseState(enum.Enum):
    """What is known of a cause."""

    NEW = "new"
    """It fails the command."""
    KNOWN = "known"
    """The baseline has it."""
    SUPPRESSED = "suppressed"
    """A suppression matches it."""
    EXPIRED = "expired"
    """A suppression matches it, and its date has passed: it fails the command."""


class Sorted(NamedTuple):
    """What is known of one cause, and why: the suppression's reason, or empty."""

    state: CauseState
    reason: str = ""

    @property
    def fails(self) -> bool:
        """Whether the cause fails the command."""
        return self.state in (CauseState.NEW, CauseState.EXPIRED)


class Triage(NamedTuple):
    """What is known of the causes of a report.

    Attributes
    ----------
    causes : list of Sorted
        For each cause of the report.
    untold : int
        How many hazards have no cause, as they have no story. They fail the command.
    """

    causes: list[Sorted]
    untold: int

    @property
    def fails(self) -> bool:
        """Whether the report fails the command."""
        return self.untold > 0 or any(each.fails for each in self.causes)

    def count(self, state: CauseState) -> int:
        """How many causes are in a state."""
        return sum(each.state is state for each in self.causes)
