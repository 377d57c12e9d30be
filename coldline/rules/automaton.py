# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the deterministic automaton of a byte from the rules.

The rules say what *may* happen, so they are a nondeterministic automaton. The subset construction makes it
deterministic, as a regular-expression engine makes a DFA of an NFA: a state is the set of microstates that the byte
may be in, with what speculation may do to it at that time. There are few such sets, and most of them cannot be
distinguished by any later event, so the minimal automaton has a few hundred states.

`coldline.rules.subsets` finds the sets; this module merges them. States are numbered in the order of a breadth-first
search from the cold byte, so a number does not change unless the rules do.

This takes some thirty milliseconds, for which a boot's first events would wait. So the automaton is kept in the cache
folder, under a name that changes with the rules.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from coldline.rules.profile import Profile
from coldline.rules.subsets import LETTERS, READS, Determined, determine, number_rows, relations
from coldline.support import cache_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LETTERS", "READS", "Automaton", "automaton", "blocks", "build_automaton"]


@dataclass(frozen=True, slots=True)
class Automaton:
    """A minimal deterministic automaton of one byte.

    Attributes
    ----------
    step : tuple of tuple of int
        ``step[state][letter]`` is the next state.
    bad : tuple of tuple of int
        ``bad[state][i]`` is the hazards of a read by ``READS[i]`` in that state, as `Hazard` flags.
    start : int
        The state of a byte before any event, which no agent has mapped.
    reachable : int
        The number of states before minimisation.
    """

    step: tuple[tuple[int, ...], ...]
    bad: tuple[tuple[int, ...], ...]
    start: int
    reachable: int


def automaton(profile: Profile) -> Automaton:
    """Return the automaton for `profile`; it is built once.

    Effective set/way maintenance is the same as maintenance by address, and the size of a line does not matter for a
    byte, so neither makes another automaton.
    """
    return _known(replace(profile, line=64, setway_effective=False))


def build_automaton(profile: Profile) -> Automaton:
    """Build and minimise the automaton of the rules for `profile`."""
    sets = determine(relations(profile))
    block = blocks(sets)
    first = np.unique(block, return_index=True)[1]
    return Automaton(
        step=tuple(map(tuple, block[sets.step[first]].tolist())),
        bad=tuple(map(tuple, sets.bad[first].tolist())),
        start=int(block[0]),
        reachable=len(block),
    )


@lru_cache
def _known(profile: Profile) -> Automaton:
    folder = cache_folder.folder()
    if folder is None:
        return build_automaton(profile)
    path = folder / cache_folder.name_for("automaton", __name__, profile)
    with suppress(OSError, ValueError):
        return _from_bytes(cache_folder.read_kept(path))
    built = build_automaton(profile)
    cache_folder.keep(path, _to_bytes(built))
    return built


def _to_bytes(built: Automaton) -> bytes:
    """A row for each state, with the next states and the hazards of reads; the last row has `start`, `reachable`."""
    rows = np.hstack([np.array(built.step, np.int32), np.array(built.bad, np.int32)])
    last = np.zeros((1, rows.shape[1]), np.int32)
    last[0, :2] = built.start, built.reachable
    return np.vstack([rows, last]).tobytes()


def _from_bytes(data: bytes) -> Automaton:
    """The automaton that `_to_bytes` packed; `cache_folder.read_kept` has checked that `data` is intact."""
    rows = np.frombuffer(data, np.int32).reshape(-1, len(LETTERS) + len(READS))
    step, bad = rows[:-1, : len(LETTERS)], rows[:-1, len(LETTERS) :]
    start, reachable = rows[-1, :2].tolist()
    return Automaton(tuple(map(tuple, step.tolist())), tuple(map(tuple, bad.tolist())), start, reachable)


def blocks(sets: Determined) -> "NDArray[np.int32]":
    """The block of each state: no sequence of letters distinguishes two states of one block.

    Moore's algorithm: split states by their outputs, then by the blocks of their next states, until nothing splits.
    """
    block = number_rows(sets.bad, {})
    while True:
        finer = number_rows(np.column_stack([block, block[sets.step]]), {})
        if finer.max() == block.max():
            return finer
        block = finer
