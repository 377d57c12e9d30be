# SPDX-License-Identifier: GPL-2.0-or-later
"""The deterministic automaton of a byte, determined by the rules.

The rules say what *may* happen: a nondeterministic machine. Following every possibility at once makes it
deterministic, as a regular-expression engine makes a DFA of an NFA: a state is the set of microstates that
the byte may be in, together with what speculation may do to it just now. There are few such sets, and most
of them cannot be told apart by any later event, so that the minimal automaton has a few hundred states.

`coldline.rules.subsets` finds the sets; here they are merged. States are numbered in the order in which a
breadth-first walk from the cold byte meets them, so that a number never changes while the rules do not.

That takes some thirty milliseconds, which a boot's first events would wait for: what was built is kept in the cache
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
        ``bad[state][i]`` says what is wrong with a read by ``READS[i]`` in that state, as `Hazard` flags.
    start : int
        The state of a byte that nothing has touched and nobody has mapped.
    reachable : int
        The number of states before minimisation.
    """

    step: tuple[tuple[int, ...], ...]
    bad: tuple[tuple[int, ...], ...]
    start: int
    reachable: int


def automaton(profile: Profile) -> Automaton:
    """Return the automaton for `profile`; it is built once.

    Set/way maintenance that is effective is the same as maintenance by address, and the size of a line is
    not a byte's concern, so neither makes another automaton.
    """
    return _known(replace(profile, line=64, setway_effective=False))


def build_automaton(profile: Profile) -> Automaton:
    """Determine and minimise the automaton that the rules give for `profile`."""
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
    """A row a state: where each letter leads, what each read finds; and a last one of the start and the count."""
    rows = np.hstack([np.array(built.step, np.int32), np.array(built.bad, np.int32)])
    last = np.zeros((1, rows.shape[1]), np.int32)
    last[0, :2] = built.start, built.reachable
    return np.vstack([rows, last]).tobytes()


def _from_bytes(data: bytes) -> Automaton:
    """What `_to_bytes` was given; `data` is what was kept, as `cache_folder.read_kept` has made sure."""
    rows = np.frombuffer(data, np.int32).reshape(-1, len(LETTERS) + len(READS))
    step, bad = rows[:-1, : len(LETTERS)], rows[:-1, len(LETTERS) :]
    start, reachable = rows[-1, :2].tolist()
    return Automaton(tuple(map(tuple, step.tolist())), tuple(map(tuple, bad.tolist())), start, reachable)


def blocks(sets: Determined) -> "NDArray[np.int32]":
    """The block of each state: no sequence of reads can tell states of one block apart.

    Moore's algorithm: split states by what they say, then by where they go, until nothing splits.
    """
    block = number_rows(sets.bad, {})
    while True:
        finer = number_rows(np.column_stack([block, block[sets.step]]), {})
        if finer.max() == block.max():
            return finer
        block = finer
