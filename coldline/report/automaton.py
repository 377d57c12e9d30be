# SPDX-License-Identifier: GPL-2.0-or-later
"""Describes a byte's automaton for readers: each state in words, what reads find in it, where each letter leads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from coldline.report.markdown import markdown
from coldline.rules.alphabet import OTHER, Letter, Setting
from coldline.rules.automaton import Automaton, blocks, build_automaton
from coldline.rules.citations import COPIES_READ_FROM, EFFECTS_FROM, STEPS_FROM, Section
from coldline.rules.line_rules import Hazard
from coldline.rules.microstate import Microstate
from coldline.rules.profile import Profile
from coldline.rules.subsets import LETTERS, READS, SETTINGS, Determined, Relations, determine, relations

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ByteState:
    """A state of the minimal automaton.

    Attributes
    ----------
    number : int
        Its number in `Automaton`.
    settings : tuple of Setting
        The settings under which the byte can be in this state.
    seeds : tuple of Microstate
        A smallest set of microstates that describes the state: under the first of `settings`, the caches' own steps
        lead from these to all other microstates that the byte may be in.
    bad : tuple of Hazard
        The hazards of each of `READS` in this state.
    step : tuple of int
        The next state for each letter.
    word : tuple of Letter
        A shortest sequence of letters that leads here from the start.
    """

    number: int
    settings: tuple[Setting, ...]
    seeds: tuple[Microstate, ...]
    bad: tuple[Hazard, ...]
    step: tuple[int, ...]
    word: tuple[Letter, ...]


def portrait(profile: Profile) -> list[ByteState]:
    """The states of the automaton for `profile`, in the order of their numbers."""
    rule = relations(profile)
    sets = determine(rule)
    block = blocks(sets)
    machine = build_automaton(profile)
    words = _words(machine)
    states = []
    for number, step in enumerate(machine.step):
        members = np.flatnonzero(block == number)
        seeds, setting = min(
            (_seeds(rule, sets, each) for each in members.tolist()), key=lambda found: len(found[0])
        )
        others = {SETTINGS[code] for code in sets.setting[members].tolist()} - {setting}
        states.append(
            ByteState(
                number=number,
                settings=(setting, *sorted(others)),
                seeds=seeds,
                bad=tuple(map(Hazard, machine.bad[number])),
                step=step,
                word=words[number],
            )
        )
    return states


def _seeds(rule: Relations, sets: Determined, state: int) -> tuple[tuple[Microstate, ...], Setting]:
    """The fewest members from which the caches' own steps lead to all others, and the setting for those steps.

    Members that lead to one another form a group. Each group that no other member leads to gives its plainest member.
    """
    setting = SETTINGS[sets.setting[state]]
    size = len(rule.microstates)
    members = sorted(np.flatnonzero(_unpack(sets.members[state], size)), key=rule.microstates.__getitem__)
    leads = _unpack(rule.closure[setting], size)[np.ix_(members, members)]
    plainer = np.triu(np.ones_like(leads), k=1)
    led_to = (leads & (~leads.T | plainer)).any(axis=0)
    return tuple(rule.microstates[number] for number in np.array(members)[~led_to]), setting


def _unpack(rows: "NDArray[np.uint8]", size: int) -> "NDArray[np.bool_]":
    return np.unpackbits(rows, axis=-1, count=size, bitorder="little").astype(np.bool_)


def _words(machine: Automaton) -> list[tuple[Letter, ...]]:
    words: dict[int, tuple[Letter, ...]] = {machine.start: ()}
    todo = [machine.start]
    for state in todo:
        for letter, target in zip(LETTERS, machine.step[state], strict=True):
            if target not in words:
                words[target] = (*words[state], letter)
                todo.append(target)
    return [words[number] for number in range(len(machine.step))]


# In words ---------------------------------------------------------------------------------------------------

_FILLS = {
    Setting(data=False, fetch=False): "no",
    Setting(data=False, fetch=True): "instruction",
    Setting(data=True, fetch=False): "data",
    Setting(data=True, fetch=True): "both",
}


def letter_words(letter: Letter) -> str:
    """A letter as the documentation writes it: ``dc cvac``."""
    return letter.name.lower().replace("_", " ")


def letters_words(letters: Iterable[Letter]) -> str:
    """Letters as a short list: ``read wb, write wt, dc cvac, civac``; a pair is one item with ``(own or other)``."""
    given = sorted(letters)
    both = {own for own, other in OTHER.items() if own in given and other in given}
    singles = [
        letter_words(letter) + (" (own or other)" if letter in both else "")
        for letter in given
        if letter not in {OTHER[own] for own in both}
    ]
    groups = [(prefix, list(words)) for prefix, words in groupby(singles, _family)]
    return ", ".join(
        ", ".join(words)
        if prefix is None
        else f"{prefix} " + ", ".join(word[len(prefix) + 1 :] for word in words)
        for prefix, words in groups
    )


def _family(words: str) -> str | None:
    first = words.partition(" ")[0]
    return first if first in ("dc", "set") else None


def microstate_words(m: Microstate) -> str:
    """A microstate as a list of its valid copies: ``L1 dirty new, memory OLD``."""
    return ", ".join(part for part in str(m).split(", ") if not part.endswith(" invalid"))


def state_words(state: ByteState) -> str:
    """The copies of the byte before the caches do anything on their own."""
    return "; or ".join(microstate_words(m) for m in state.seeds)


def fills_words(state: ByteState) -> str:
    """Which caches may fill: no, instruction, data, both; several of these where that makes no difference."""
    return ", ".join(_FILLS[setting] for setting in sorted(state.settings))


def read_words(bad: Hazard) -> str:
    """The result of a read, in words: right, stale, lost, or several of these."""
    return " or ".join(hazard.name.lower() for hazard in bad if hazard.name) or "right"


# As tables --------------------------------------------------------------------------------------------------


def states_table(states: Sequence[ByteState]) -> str:
    """Each state in words, as Markdown."""
    head = ["state", "may fill", "the byte, before the caches move", *map(letter_words, READS), "reached by"]
    rows = [
        [
            str(state.number),
            fills_words(state),
            state_words(state),
            *map(read_words, state.bad),
            "; ".join(map(letter_words, state.word)) or "the start",
        ]
        for state in states
    ]
    return markdown([head, *rows], aligned=False)


def steps_table(states: Sequence[ByteState]) -> str:
    """The next state for each letter, as Markdown: a dash for no change, one column for letters that agree."""
    columns: dict[tuple[int, ...], list[Letter]] = {}
    for letter in LETTERS:
        columns.setdefault(tuple(state.step[letter] for state in states), []).append(letter)
    stay = tuple(state.number for state in states)
    idle = columns.pop(stay, [])
    head = ["state", *map(letters_words, columns.values())]
    rows = [
        [str(state.number), *(_target(column[index], state.number) for column in columns)]
        for index, state in enumerate(states)
    ]
    note = f"\nNowhere a change: {letters_words(idle)}.\n" if idle else ""
    return markdown([head, *rows], aligned=False) + note


def sources_table() -> str:
    """The sections of the Arm ARM that each rule follows, and their titles, as Markdown: see `rules.citations`."""
    cited = {
        **STEPS_FROM,
        **{letter_words(letter): citation for letter, citation in EFFECTS_FROM.items()},
        **{
            f"{letter_words(letter)}: the copy read": citation
            for letter, citation in COPIES_READ_FROM.items()
        },
    }
    rows = [
        [rule, each.heading, ", ".join(section.number for section in each.sections), each.says]
        for rule, each in cited.items()
    ]
    sections = sorted({section for each in cited.values() for section in each.sections}, key=_by_number)
    titles = [[section.number, section.title] for section in sections]
    return "\n".join(
        (
            markdown([["rule", "is under", "Arm ARM DDI 0487", "which says"], *rows], aligned=False),
            markdown([["section", "title"], *titles], aligned=False),
        )
    )


def _by_number(section: Section) -> tuple[str, tuple[int, ...]]:
    return section.number[0], tuple(map(int, section.number[1:].split(".")))


def _target(target: int, state: int) -> str:
    return "–" if target == state else str(target)
