# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws a byte's automaton, in Graphviz's language.

States share a *box* where a change of the setting (which caches may fill by speculation) leads from one to another.
So the drawing shows what events do to the copies once, and not once for each setting.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from coldline.report.automaton import (
    ByteState,
    fills_words,
    letter_words,
    letters_words,
    microstate_words,
    read_words,
)
from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import Hazard
from coldline.rules.subsets import LETTERS, READS

_EVENTS = tuple(letter for letter in LETTERS if letter.setting is None)
_PAPER = {
    Hazard.NONE: "#e3f1e1",
    Hazard.STALE: "#fdf0c8",
    Hazard.STALE | Hazard.LOST: "#fadcc6",
    Hazard.LOST: "#f3c9c7",
}
"""A box's colour, by the worst hazards of a read in it."""

_INK = {False: "#8a4b08", True: "#1f5f99"}
"""An arrow's colour: whether all of it is maintenance."""


class StateBox(NamedTuple):
    """States that changes of the setting join; `name` is the lowest of their numbers."""

    name: int
    states: tuple[ByteState, ...]


class Arrow(NamedTuple):
    """Letters that lead from one box into another; `of` numbers the states they lead from, and is empty for all."""

    start: int
    end: int
    letters: tuple[Letter, ...]
    of: tuple[int, ...]


def boxes(states: Sequence[ByteState]) -> list[StateBox]:
    """The states, joined where a change of the setting leads from one to another."""
    box = {state.number: state.number for state in states}
    for state in states:
        for letter in LETTERS:
            joined = {box[state.number], box[state.step[letter]]}
            if letter.setting is not None and len(joined) == 2:
                box = {number: min(joined) if of in joined else of for number, of in box.items()}
    return [
        StateBox(name, tuple(state for state in states if box[state.number] == name))
        for name in sorted(set(box.values()))
    ]


def arrows(of: Sequence[StateBox]) -> list[Arrow]:
    """The arrows for events that lead from one box to another; events that stay in their box have none."""
    name = {state.number: box.name for box in of for state in box.states}
    found: dict[tuple[int, int, tuple[int, ...]], list[Letter]] = {}
    for box in of:
        for letter in _EVENTS:
            ends: dict[int, list[int]] = {}
            for state in box.states:
                ends.setdefault(name[state.step[letter]], []).append(state.number)
            for end, starts in ends.items():
                if end != box.name:
                    some = tuple(starts) if len(ends) > 1 else ()
                    found.setdefault((box.name, end, some), []).append(letter)
    return [Arrow(start, end, tuple(letters), some) for (start, end, some), letters in found.items()]


def everywhere(of: Sequence[StateBox], drawn: Iterable[Arrow]) -> dict[Letter, int]:
    """Letters that lead into the same box from every other box, with that box: one arrow stands for all of them."""
    found = {}
    for letter in _EVENTS:
        ends = {arrow.end for arrow in drawn if letter in arrow.letters}
        starts = {arrow.start for arrow in drawn if letter in arrow.letters and not arrow.of}
        if len(ends) == 1 and len(starts) == len(of) - 1:
            found[letter] = ends.pop()
    return found


def dot(states: Sequence[ByteState], title: str) -> str:
    """The automaton as a drawing: a graph for Graphviz's ``dot``."""
    drawn_boxes = boxes(states)
    drawn = arrows(drawn_boxes)
    said = everywhere(drawn_boxes, drawn)
    first = drawn_boxes[0].name
    lines = [
        f'digraph "{title}" {{',
        '  graph [rankdir=TB, nodesep=0.5, ranksep=0.7, margin=0.2, bgcolor=white, fontname="Helvetica"];',
        '  node [shape=plain, fontname="Helvetica", fontsize=11];',
        '  edge [fontname="Helvetica", fontsize=10, arrowsize=0.7];',
        f"  label=<{_caption(title)}>; labelloc=b; fontsize=11;",
        "  start [shape=point, width=0.12]; { rank=source; start; }",
        f"  start -> b{first};",
        *(f"  b{box.name} [label=<{_label(box)}>];" for box in drawn_boxes),
        *(
            _arrow(first, end, f"{letter_words(letter)}, as from every box", [letter])
            for letter, end in said.items()
            if end != first
        ),
    ]
    for arrow in drawn:
        letters = [letter for letter in arrow.letters if letter not in said]
        if letters:
            some = f" (from {', '.join(map(str, arrow.of))})" if arrow.of else ""
            lines.append(_arrow(arrow.start, arrow.end, f"{letters_words(letters)}{some}", letters))
    return "\n".join([*lines, "}", ""])


def _arrow(start: int, end: int, text: str, letters: Iterable[Letter]) -> str:
    ink = _INK[all(letter >= Letter.DC_CVAC for letter in letters)]
    return f'  b{start} -> b{end} [label="  {text}  ", color="{ink}", fontcolor="{ink}"];'


def _caption(title: str) -> str:
    said = (
        f"<b>{escape(title)}</b>",
        "A box has the states that differ in what speculation may do: a change of the setting leads to another row.",
        "A row says what the byte is before the caches move: they may then write back, drop and fill as they like.",
        "The last write is <i>new</i>, what was there before is OLD. Events that are not drawn stay in their box.",
    )
    return "<br/>".join(said)


def _label(box: StateBox) -> str:
    paper = _PAPER[max((_worst(state.bad) for state in box.states), key=list(_PAPER).index)]
    rows = [f'<tr><td colspan="3" align="left"><b>{line}</b></td></tr>' for line in _verdicts(box)]
    for state in box.states:
        seeds = '<br align="left"/>or '.join(escape(microstate_words(m)) for m in state.seeds)
        rows.append(
            f'<tr><td align="right"><b>{state.number}</b></td><td align="left">{_fills(state)}</td>'
            f'<td align="left">{seeds}<br align="left"/></td></tr>'
        )
    look = 'style="rounded" border="1" color="#7d868c" cellborder="0" cellspacing="0" cellpadding="3"'
    return f'<table {look} bgcolor="{paper}">{"".join(rows)}</table>'


def _worst(bad: Sequence[Hazard]) -> Hazard:
    flags = Hazard.NONE
    for each in bad:
        flags |= each
    return flags


def _verdicts(box: StateBox) -> list[str]:
    """The results of reads in a box, a line for each result."""
    said: dict[str, list[str]] = {}
    for index, read in enumerate(READS):
        verdict = read_words(_worst([state.bad[index] for state in box.states]))
        said.setdefault(verdict, []).append(letter_words(read))
    if len(said) == 1:
        said = {verdict: ["every read"] for verdict in said}
    return [
        f"{', '.join(reads)}: {verdict if verdict == 'right' else f'may be {verdict}'}"
        for verdict, reads in said.items()
    ]


def _fills(state: ByteState) -> str:
    fills = fills_words(state)
    return {"no": "no cache may fill", "both": "both caches may fill"}.get(
        fills, "caches may fill" if "," in fills else f"{fills} caches may fill"
    )
