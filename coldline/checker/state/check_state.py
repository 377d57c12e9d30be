# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole state of a check after some events. The engines change it and have no state of their own."""

from collections.abc import Hashable

import numpy as np

from coldline.checker.state.core_vocabulary import vocabulary_of
from coldline.checker.state.findings import Findings
from coldline.checker.state.learned_tables import LearnedTables
from coldline.checker.state.lines import Lines
from coldline.checker.state.page_classes import PageClasses
from coldline.checker.state.transitions import LETTER_ROWS, CompleteTables, Tables
from coldline.checker.state.vocabulary import Vocabulary
from coldline.rules.alphabet import Letter
from coldline.rules.automaton import automaton
from coldline.rules.order.cores import CoresMachine
from coldline.rules.profile import Profile


class CheckState:
    """The states of all lines, the agents' mappings of pages, and the findings.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.
    distinct, most : bool, int or None
        See `Findings`.

    Attributes
    ----------
    lines : Lines
        The states of all lines.
    memory : Memory
        The memory that holds them.
    page_classes : PageClasses
        The agents, and the classes of pages that their mappings make.
    findings : Findings
        The hazards so far.
    events : int
        The number of events taken.
    by_letter : ndarray of uint64, shape (LETTER_ROWS,)
        The number of accesses and of maintenance operations taken, by the row of `Tables` of the letter that each was
        to its last line.
    warnings : list of str
        What the events say that cannot be; each begins with the place.
    """

    def __init__(self, profile: Profile, *, distinct: bool = False, most: int | None = None) -> None:
        self.profile = profile
        tables, vocabulary = _rules(profile)
        self.lines = Lines(tables, profile.line, profile.program_order_granule)
        self.memory = self.lines.memory
        self.page_classes = PageClasses(vocabulary)
        self.findings = Findings(self.memory, distinct=distinct, most=most)
        self.events = 0
        self.by_letter = np.zeros(LETTER_ROWS, np.uint64)
        self.warnings: list[str] = []
        self._warned: set[Hashable] = set()

    def warn(self, about: Hashable, warning: str) -> None:
        """Add a warning, unless there was one `about` the same already."""
        if about not in self._warned:
            self._warned.add(about)
            self.warnings.append(warning)

    def taken_as(self, letter: Letter) -> int:
        """How many checked accesses were taken that would be `letter` if everything took effect at once."""
        rows = np.flatnonzero(self.by_letter).tolist()
        return sum(int(self.by_letter[row]) for row in rows if self.lines.transitions.plain(row) is letter)


def _rules(profile: Profile) -> tuple[Tables, Vocabulary]:
    """The tables of the rules that a profile asks for, and the letters of events by them."""
    if profile.ordering is None:
        return CompleteTables(automaton(profile)), vocabulary_of(profile)
    tables = LearnedTables(CoresMachine(profile), granules=profile.program_order_granule < profile.line)
    return tables, vocabulary_of(profile, tables.add_core)
