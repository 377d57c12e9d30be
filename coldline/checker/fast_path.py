# SPDX-License-Identifier: GPL-2.0-or-later
"""The check's fast path: `coldline.checker.compiled`, and the follower for whatever needs thought.

A loop stops at an event that changes more than lines of a page or two, `Follower` takes it, and the loop goes on.
So a loop can be slow about an event, and not wrong.
"""

import ctypes
import functools
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from coldline.checker.compiled import MODULE, frame
from coldline.checker.dispatch import Letters
from coldline.checker.state.lines import Badness
from coldline.checker.state.partitions import BLOCKS, OWN, SLACK
from coldline.checker.state.transitions import NO_LETTER, NOTHING_PUT_OFF
from coldline.events import Event, Op
from coldline.events.batch import Batch
from coldline.jit import code_cache
from coldline.rules.letters import Letter
from coldline.rules.line_rules import Hazard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.checker.interpreter import Follower

_NOWHERE = (1 << 64) - 1


class Machine:
    """The compiled loops at work on a follower's memory.

    Parameters
    ----------
    checker : Follower
        Whose events are to be taken.
    """

    def __init__(self, checker: "Follower") -> None:
        self._checker: Follower = weakref.proxy(
            checker
        )  # it has this, and much memory: it must be free to go
        self._loops = loops()
        self._letters = Letters(checker)
        self._frame = np.zeros(1, frame.FRAME)
        self._address = self._frame.ctypes.data
        self._cached: NDArray[np.uint64] = np.zeros((frame.CACHED_PAGES, 2), np.uint64)
        self._ahead: NDArray[np.uint64] = np.full((frame.EVENTS_AHEAD, 2), _NOWHERE, np.uint64)
        self._memo: NDArray[np.uint32] = np.zeros(OWN + 1, np.uint32)
        self._found: NDArray[np.void] = np.zeros(frame.FOUND, frame.FOUND_DTYPE)
        self._kept: dict[str, NDArray[Any]] = {}
        self._set_fixed()

    def feed(self, batch: Batch) -> None:
        """Take the events of `batch`: see `Checker.feed`."""
        checker, f = self._checker, self._frame[0]
        base = checker.events
        agents = np.array([checker.pages.agent(name) for name in batch.agents], np.uint64)
        rows = np.ascontiguousarray(batch.rows)
        self._letters.refresh()
        self._point(rows=rows, agent_of=agents)
        f["events"], f["at"], f["done"] = len(rows), 0, 0
        while True:
            self._update()
            self._loops["take"](self._address)
            self._take_back()
            for found in self._take_found():
                at = int(found["event"])
                where = int(batch.rows["where"][at])
                badness = _badness(found)
                checker.found(
                    batch.event(at), where, int(found["address"]), int(found["lines"]), badness, base + at
                )
            status = int(f["status"])
            if status == frame.DONE:
                break
            if status == frame.THINK:
                at = int(f["at"])
                checker.events = base + at
                self._letters.think(batch.event(at), int(batch.rows["where"][at]))
                f["at"] = at + 1
            else:
                self._make_way(status)
        checker.events = base + len(batch)

    def read(self, event: Event, where: int, letter: Letter, rows: "NDArray[np.intp]") -> None:
        """Let a checked letter befall all lines of some rows."""
        for found in self._sweep(rows, letter, is_fetch=event.op is Op.FETCH):
            self._checker.found(event, where, int(found["address"]), int(found["lines"]), _badness(found))

    def would_read(
        self, rows: "NDArray[np.intp]", first: Letter, letter: Letter
    ) -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
        """What `letter` would find wrong after `first` in all lines of some rows; nothing changes by asking.

        Yields
        ------
        address : int
            Of the first of some lines that lie end to end and may be wrong in the same way.
        lines : int
            How many.
        badness : tuple of Badness
            What is wrong with each of them.
        """
        put_off, hazards = self._checker.memory.put_off, self._checker.hazards
        self.settle(rows)
        self._checker.put_off(rows, first)
        self._frame["asking"] = 1
        try:
            for found in self._sweep(rows, letter, is_fetch=False):
                yield int(found["address"]), int(found["lines"]), _badness(found)
        finally:
            self._frame["asking"] = 0
            put_off[rows] = NOTHING_PUT_OFF
            self._checker.hazards = hazards

    def settle(self, rows: "NDArray[np.intp]") -> None:
        """Let what was put off for some rows happen."""
        for _ in self._sweep(rows, NO_LETTER, is_fetch=False):
            raise AssertionError("no letter finds nothing")

    def join_equals(self) -> None:
        """Let lines whose bytes differ in the same way share a record.

        Raises
        ------
        TraceError
            If there are too many that do not.
        """
        self._update()
        mixed = self._checker.lines.mixtures
        if mixed.out_of_numbers:
            counts = np.zeros(OWN + 1, np.uint64)
            self._loops["count"](self._address, counts.ctypes.data)
            mixed.forget_unused(counts)
        blocks = int(mixed.pool[BLOCKS])
        self._loops["join"](self._address)
        mixed.make_room(blocks, int(self._frame["joined"][0]), int(self._frame["made"][0]))

    def _sweep(self, rows: "NDArray[np.intp]", letter: int, *, is_fetch: bool) -> "Iterator[np.void]":
        f = self._frame[0]
        wanted = rows.astype(np.uint64)
        f["row_at"], f["done"], f["at"] = 0, 0, 0
        while True:
            self._update()
            self._loops["sweep"](self._address, wanted.ctypes.data, len(wanted), int(letter), is_fetch)
            self._take_back()
            yield from self._take_found()
            status = int(f["status"])
            if status == frame.DONE:
                break
            self._make_way(status)
        self._cached[:] = _NOWHERE

    def _make_way(self, status: int) -> None:
        if status == frame.CROWDED:
            self.join_equals()
        elif status == frame.GROW:
            self._checker.memory.grow()

    def _take_found(self) -> "NDArray[np.void]":
        f = self._frame[0]
        found = self._found[: int(f["founds"])].copy()
        self._checker.hazards += int(f["counted"])
        f["founds"] = f["counted"] = 0
        return found

    def _take_back(self) -> None:
        memory, f = self._checker.memory, self._frame[0]
        memory.rows, memory.leaves_used = int(f["used_rows"]), int(f["leaves_used"])

    def _set_fixed(self) -> None:
        lines = self._checker.lines
        table, memory, mixed = lines.transitions, lines.memory, lines.mixtures
        self._point(
            step=table.step,
            bad=table.bad,
            other=table.other,
            quiet=table.quiet,
            words=table.words,
            then=table.then,
            values=memory.values,
            pages=memory.pages,
            reported=memory.reported,
            leaves=memory.leaves,
            chunk_of=memory.chunk_of,
            nodes=mixed.nodes,
            owned=mixed.owned,
            rows_of=mixed.rows_of,
            pool=mixed.pool,
            shared_index=mixed.shared_index,
            scratch_states=np.zeros(table.states, np.uint16),
            scratch_masks=np.zeros((table.states, mixed.words), np.uint64),
            cached=self._cached,
            ahead=self._ahead,
            memo=self._memo,
            found=self._found,
        )
        f = self._frame[0]
        f["states"] = table.states
        f["line_bits"] = lines.size.bit_length() - 1
        f["per_page"] = memory.lines_per_page
        f["per_page_bits"] = memory.lines_per_page.bit_length() - 1
        f["mask_words"] = mixed.words
        f["node_bytes"] = mixed.nodes.shape[1] * 8
        f["last_node"] = len(mixed.nodes) - SLACK
        f["distinct"] = self._checker.distinct

    def _update(self) -> None:
        """What may have changed outside of the loops."""
        memory, letters = self._checker.memory, self._letters
        starts, values = memory.range_arrays()
        self._point(
            letters=letters.accesses,
            maintenance=letters.maintenance,
            walks=letters.walks,
            moves=letters.moves,
            settings=letters.settings,
            directory=memory.directory,
            range_starts=starts,
            range_values=values,
        )
        f = self._frame[0]
        f["agents"] = letters.accesses.shape[1]
        f["directory_bits"] = len(memory.directory).bit_length() - 1
        f["leaves_used"] = memory.leaves_used
        f["most_rows"] = len(memory.pages)
        f["ranges"] = len(starts)
        f["told"] = bool(memory.told)
        f["used_rows"] = memory.rows
        f["memo_of"] = 0
        self._cached[:] = _NOWHERE

    def _point(self, **arrays: "NDArray[Any]") -> None:
        for name, array in arrays.items():
            if self._kept.get(name) is not array:
                self._kept[name] = array
                self._frame[0][name] = array.ctypes.data


def _badness(found: "np.void") -> tuple[Badness, ...]:
    ways = (
        (Hazard.LOST, int(found["lost_low"]), int(found["lost_high"])),
        (Hazard.STALE, int(found["stale_low"]), int(found["stale_high"])),
    )
    return tuple(Badness(hazard, low, high) for hazard, low, high in ways if high)


@functools.cache
def loops() -> dict[str, Callable[..., None]]:
    """The compiled loops by their names, compiled where that has not been done; each takes a frame's address."""
    addresses = code_cache.load(MODULE)
    word, pointer = ctypes.c_uint64, ctypes.c_void_p
    arguments = {"take": (pointer,), "sweep": (pointer, pointer, word, word, word)}
    arguments |= {"join": (pointer,), "count": (pointer, pointer)}
    return {name: ctypes.CFUNCTYPE(None, *kinds)(addresses[name]) for name, kinds in arguments.items()}
