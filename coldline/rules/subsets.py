# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules as relations between microstates, and the sets of microstates that a byte may be in.

`relations` applies every rule to every reachable microstate. `determine` follows sets of them from the cold byte. A
set is a row of bits, as NumPy packs them, so that each letter is applied to a whole generation of sets at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter, Setting
from coldline.rules.line_rules import COPIES_READ, EFFECTS, STEPS, Hazard
from coldline.rules.microstate import COLD, Microstate
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bits = NDArray[np.uint8]

LETTERS = tuple(Letter)
READS = tuple(COPIES_READ)
"""The letters that are checked, in the order of a state's outputs."""

SETTINGS = tuple(letter.setting for letter in LETTERS if letter.setting is not None)
"""Every setting, in the order of the letters that change to it."""

HAZARD_KINDS = (Hazard.STALE, Hazard.LOST)


@dataclass(frozen=True, slots=True)
class Relations:
    """The rules as relations between microstates.

    A row of bits is a set: its bit n, least significant first, stands for microstate n.

    Attributes
    ----------
    microstates : tuple of Microstate
        The reachable microstates, in the order of their numbers; the cold one is number 0.
    closure : dict of Setting to ndarray of uint8, shape (microstates, bytes)
        Row n: the microstates that any number of spontaneous steps may lead to from microstate n.
    effect : dict of Letter to ndarray of uint8, shape (microstates, bytes)
        Row n: the microstates that an event may lead to from microstate n.
    bad : dict of (Letter, Hazard) to ndarray of uint8, shape (bytes,)
        The microstates in which a read goes wrong in that way.
    """

    microstates: tuple[Microstate, ...]
    closure: "dict[Setting, Bits]"
    effect: "dict[Letter, Bits]"
    bad: "dict[tuple[Letter, Hazard], Bits]"


@dataclass(frozen=True, slots=True)
class Determined:
    """The automaton of sets of microstates, before minimisation; state 0 is the start.

    Attributes
    ----------
    members : ndarray of uint8, shape (states, bytes)
        The microstates that the byte may be in, as a row of bits.
    setting : ndarray of uint8, shape (states,)
        What speculation may do to it: an index into `SETTINGS`.
    step : ndarray of int32, shape (states, letters)
        The next state.
    bad : ndarray of uint8, shape (states, reads)
        The hazards of each of `READS`, as `Hazard` flags.
    """

    members: "Bits"
    setting: "Bits"
    step: "NDArray[np.int32]"
    bad: "Bits"


# Rules to relations -----------------------------------------------------------------------------------------


def relations(profile: Profile) -> Relations:
    """Apply every rule to every reachable microstate."""
    known, numbers = [COLD], {COLD: 0}
    keys: list[Setting | Letter] = [*SETTINGS, *LETTERS]
    pairs: dict[Setting | Letter, list[tuple[int, int]]] = {key: [] for key in keys}
    for number, m in enumerate(known):  # the loop appends to it
        for key, found in pairs.items():
            for target in _outcomes(m, key, profile):
                if target not in numbers:
                    numbers[target] = len(known)
                    known.append(target)
                found.append((number, numbers[target]))
    hazards = {read: np.array([line_rules.hazards(m, read, profile) for m in known]) for read in READS}
    return Relations(
        microstates=tuple(known),
        closure={setting: _closure(pairs[setting], len(known)) for setting in SETTINGS},
        effect={letter: _relation(pairs[letter], len(known)) for letter in LETTERS},
        bad={(read, kind): pack(hazards[read] == kind) for read in READS for kind in HAZARD_KINDS},
    )


def _outcomes(m: Microstate, key: Setting | Letter, profile: Profile) -> Iterator[Microstate]:
    """The microstates that an event, or one spontaneous cache step under a setting, may lead to."""
    if isinstance(key, Letter):
        yield from EFFECTS[key](m, profile)
    else:
        for step in STEPS.values():
            yield from step(m, key, profile)


def _closure(pairs: list[tuple[int, int]], size: int) -> "Bits":
    """The relation for any number of steps, including none: squared until nothing is added."""
    reach = _relation([*pairs, *((number, number) for number in range(size))], size)
    while not np.array_equal(reach, further := image(reach, unions(reach))):
        reach = further
    return reach


def _relation(pairs: list[tuple[int, int]], size: int) -> "Bits":
    matrix = np.zeros((size, size), np.bool_)
    matrix[tuple(zip(*pairs, strict=True))] = True
    return pack(matrix)


# Relations to sets ------------------------------------------------------------------------------------------


def determine(rule: Relations) -> Determined:
    """Follow the sets of microstates from the cold byte, breadth first, a generation at a time."""
    after, changed = zip(*(_letters(rule, setting) for setting in SETTINGS), strict=True)
    start = SETTINGS.index(Setting(data=False, fetch=False))
    members, setting = rule.closure[SETTINGS[start]][:1], np.array([start], np.uint8)
    numbers: dict[bytes, int] = {}
    number_rows(np.column_stack([setting, members]), numbers)
    generations, steps = [(members, setting)], []
    while len(members):
        known = len(numbers)
        targets = np.empty((len(members), len(LETTERS) * members.shape[1]), np.uint8)
        for code, table in enumerate(after):
            targets[setting == code] = image(members[setting == code], table)
        members, setting = targets.reshape(-1, members.shape[1]), np.stack(changed)[setting].ravel()
        step = number_rows(np.column_stack([setting, members]), numbers)
        steps.append(step.reshape(-1, len(LETTERS)))
        reached, first = np.unique(step, return_index=True)
        new = first[reached >= known]
        members, setting = members[new], setting[new]
        generations.append((members, setting))
    every, settings = map(np.concatenate, zip(*generations, strict=True))
    return Determined(every, settings, np.concatenate(steps), _outputs(every, rule))


def _letters(rule: Relations, setting: Setting) -> "tuple[Bits, Bits]":
    """For each letter, the next sets of sets under `setting`, after the caches' own steps, and the next setting."""
    settings = [letter.setting or setting for letter in LETTERS]
    closed = {each: unions(rule.closure[each]) for each in settings}
    images = [
        image(rule.effect[letter], closed[each]) for letter, each in zip(LETTERS, settings, strict=True)
    ]
    return unions(np.hstack(images)), np.array([SETTINGS.index(each) for each in settings], np.uint8)


def _outputs(members: "Bits", rule: Relations) -> "Bits":
    flags = {key: (members & bad).any(axis=1) for key, bad in rule.bad.items()}
    columns = [sum(np.uint8(kind) * flags[read, kind] for kind in HAZARD_KINDS) for read in READS]
    return np.column_stack(columns)


# Rows of bits -----------------------------------------------------------------------------------------------


def pack(members: "NDArray[np.bool_]") -> "Bits":
    """Rows of bits from booleans."""
    return np.packbits(members, axis=-1, bitorder="little")


def unions(rows: "Bits") -> "Bits":
    """The unions of `rows` over every subset of eight in a row: an array of shape (rows / 8, 256, bytes)."""
    eights = np.zeros((-(-len(rows) // 8), 8, rows.shape[1]), np.uint8)
    eights.reshape(-1, rows.shape[1])[: len(rows)] = rows
    table = np.zeros((len(eights), 256, rows.shape[1]), np.uint8)
    for bit in range(8):
        table[:, 1 << bit : 2 << bit] = table[:, : 1 << bit] | eights[:, bit, None]
    return table


def image(members: "Bits", table: "Bits") -> "Bits":
    """The image of each of some sets under a relation, which is given as the `unions` of its rows."""
    union: Bits = np.bitwise_or.reduce(table[np.arange(len(table)), members], axis=1)
    return union


def number_rows(rows: "NDArray[Any]", numbers: dict[bytes, int]) -> "NDArray[np.int32]":
    """The number of each row in `numbers`; new rows are added in their order."""
    rows = np.ascontiguousarray(rows)
    keys = rows.view(f"V{rows.shape[1] * rows.itemsize}").ravel().tolist()
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int32)
