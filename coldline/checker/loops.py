# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled loops and the frame that they work on: one record of addresses, sizes and registers.

See `coldline.checker.compiled.frame` for the record.
"""

import ctypes
import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from coldline.checker.compiled import frame
from coldline.checker.state.check_state import CheckState
from coldline.checker.state.extents import unit_of
from coldline.checker.state.marks import ANY_MARK, barrier_bit
from coldline.checker.state.partitions import OWN, SLACK
from coldline.events import Op
from coldline.jit import code_cache, programs

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODULE = programs.CHECK
"""The module with the compiled loops."""

NO_PAGE = (1 << 64) - 1
"""Stands for no page in the tables of pages that were looked up."""


class Loops:
    """The compiled loops, bound to the arrays of a check's state.

    Parameters
    ----------
    state : CheckState
        The state that they work on.

    Attributes
    ----------
    registers : void
        The frame: the registers through which a loop says why it stopped and where it goes on.
    """

    def __init__(self, state: CheckState) -> None:
        self._state = state
        self._functions = load_loops()
        self._frame = np.zeros(1, frame.FRAME)
        self._address = self._frame.ctypes.data
        self._cached: NDArray[np.uint64] = np.zeros((frame.CACHED_PAGES, 2), np.uint64)
        self._ahead: NDArray[np.uint64] = np.full((frame.EVENTS_AHEAD, 2), NO_PAGE, np.uint64)
        self._memo: NDArray[np.uint32] = np.zeros(OWN + 1, np.uint32)
        self._found: NDArray[np.void] = np.zeros(frame.FOUND, frame.FOUND_DTYPE)
        self._kept: dict[str, NDArray[Any]] = {}
        self.registers: Any = self._frame[0]
        self._set_fixed()

    def call(self, name: str, *arguments: int) -> None:
        """Run one of the loops, and copy the counts that it changed back into the state."""
        self._functions[name](self._address, *arguments)
        memory = self._state.memory
        memory.rows, memory.leaves_used = int(self.registers["used_rows"]), int(self.registers["leaves_used"])

    def call_at_once(self, name: str, each: Sequence[tuple[int, ...]]) -> None:
        """Run a loop that changes nothing in the frame once for each of some arguments, in as many threads."""
        waiting = [_threads().submit(self._functions[name], self._address, *more) for more in each[1:]]
        self._functions[name](self._address, *each[0])
        for one in waiting:
            one.result()

    def take_found(self) -> "NDArray[np.void]":
        """Return the hazards that a loop has noted, as `frame.FOUND_DTYPE`, and clear its notes."""
        found = self._found[: int(self.registers["founds"])].copy()
        self._state.findings.hazards += int(self.registers["counted"])
        self.registers["founds"] = self.registers["counted"] = 0
        return found

    def forget_pages(self) -> None:
        """Clear the tables of looked-up pages."""
        self._cached[:] = NO_PAGE

    def update(self) -> None:
        """Copy into the frame what may have changed outside of the loops."""
        memory = self._state.memory
        starts, values = memory.range_arrays()
        self.point(directory=memory.directory, range_starts=starts, range_values=values)
        registers = self.registers
        registers["directory_bits"] = len(memory.directory).bit_length() - 1
        registers["leaves_used"] = memory.leaves_used
        registers["most_rows"] = len(memory.pages)
        registers["ranges"] = len(starts)
        registers["told"] = bool(memory.told)
        registers["used_rows"] = memory.rows
        registers["memo_of"] = 0
        page_classes = self._state.page_classes
        unsettled = ANY_MARK if memory.changed else memory.ranges_unsettled
        if page_classes.has_endings and any(page_classes.waits(each) for each, _ in memory.range_values()):
            unsettled |= barrier_bit(Op.DSB)
        unsettled |= barrier_bit(Op.ISB) if page_classes.unsynchronised else 0
        registers["unsettled_ranges"] = unsettled
        self.forget_pages()

    def point(self, **arrays: "NDArray[Any]") -> None:
        """Copy the addresses of arrays into the frame."""
        for name, array in arrays.items():
            if self._kept.get(name) is not array:
                self._kept[name] = array
                self.registers[name] = array.ctypes.data

    def _set_fixed(self) -> None:
        lines = self._state.lines
        table, memory, partitions = lines.transitions, lines.memory, lines.partitions
        self.point(
            step=table.step,
            bad=table.bad,
            other=table.other,
            unchanged=table.unchanged,
            quiet=table.quiet,
            transformers=table.transformers,
            then=table.then,
            unsettled=table.unsettled,
            marked=memory.marks.marked,
            marks=memory.marks.rows,
            mark_count=memory.marks.count,
            values=memory.values,
            pages=memory.pages,
            reported=memory.reported,
            leaves=memory.leaves,
            chunk_of=memory.chunk_of,
            nodes=partitions.nodes,
            owned=partitions.owned,
            rows_of=partitions.rows_of,
            pool=partitions.pool,
            by_letter=self._state.by_letter,
            units=np.array([unit_of(op, self._state.profile) for op in Op], np.uint64),
            shared_index=partitions.shared_index,
            taken_rows=np.zeros(len(memory.marks.rows), np.uint32),
            scratch_states=np.zeros(table.states, np.uint16),
            scratch_masks=np.zeros((table.states, partitions.words), np.uint64),
            cached=self._cached,
            ahead=self._ahead,
            memo=self._memo,
            found=self._found,
        )
        registers = self.registers
        registers["states"] = table.states
        registers["orders"] = table.orders
        registers["line_bits"] = lines.size.bit_length() - 1
        registers["per_page"] = memory.lines_per_page
        registers["per_page_bits"] = memory.lines_per_page.bit_length() - 1
        registers["mask_words"] = partitions.words
        registers["node_bytes"] = partitions.nodes.shape[1] * 8
        registers["last_node"] = len(partitions.nodes) - SLACK
        registers["distinct"] = 0xFFFF if self._state.findings.distinct else 0


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="rows")


os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not come along


def is_compiled() -> bool:
    """Whether the machine code is cached, so that it need only be loaded."""
    return code_cache.is_kept(MODULE)


def prepare() -> None:
    """Compile the loops unless they are cached. This takes seconds: call it where an interrupt is handled."""
    if not is_compiled():
        load_loops()


@functools.cache
def load_loops() -> dict[str, Callable[..., None]]:
    """The loops by their names, compiled unless they are cached; each takes a frame's address."""
    addresses = code_cache.load_code(MODULE)
    word, pointer = ctypes.c_uint64, ctypes.c_void_p
    arguments = {"take": (pointer,), "step_rows": (pointer, pointer, pointer, word, word, word)}
    arguments |= {"step_known": (pointer, pointer, pointer, word, word)}
    arguments |= {"join": (pointer,), "count_lines": (pointer, pointer)}
    return {name: ctypes.CFUNCTYPE(None, *kinds)(addresses[name]) for name, kinds in arguments.items()}
