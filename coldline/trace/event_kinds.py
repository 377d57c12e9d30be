# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups events by kind, which is everything but the address.

A trace of millions of events has some dozens of kinds, so work for each kind costs almost nothing.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.events.attributes import allowed_attributes
from coldline.events.event import ADDRESS_LIMIT
from coldline.events.layout import AGENT_SHIFT, DTYPE_FIELDS
from coldline.events.op import Op
from coldline.support.units import PAGE_SIZE
from coldline.trace.operations import why_not

if TYPE_CHECKING:
    from numpy.typing import NDArray

KIND_DTYPE = np.dtype([(name, kind) for name, kind in DTYPE_FIELDS if name not in ("address", "where")])
"""A kind of event, 12 bytes: its columns of the same names."""

MAX_GROUP = 1 << 16
"""The most events that are grouped at a time, and so the most kinds."""

_FACTORS = (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
_REST_BITS = 64 - AGENT_SHIFT
_ORDER = np.arange(MAX_GROUP)


class Fault(NamedTuple):
    """An invalid event: its index (-1 for a kind that no event has), and the reason."""

    at: int
    reason: str


def words_of(rows: "NDArray[np.void]") -> "NDArray[np.uint64]":
    """Events as three words each, which NumPy copies faster than records: address, size, all the rest."""
    words: NDArray[np.uint64] = np.ascontiguousarray(rows).view("<u8").reshape(-1, 3)
    return words


class Grouper:
    """Groups events by kind. It keeps its working memory, as allocating that takes longer than the work."""

    def __init__(self) -> None:
        self._key, self._hash, self._work = np.empty((3, MAX_GROUP), np.uint64)
        self._last, self._same = np.empty((2, MAX_GROUP), np.intp)
        self._numbers = np.empty(MAX_GROUP, np.uint16)

    def group(self, rows: "NDArray[np.void]") -> "tuple[NDArray[np.void], NDArray[np.unsignedinteger]]":
        """The kinds of some events, at most `MAX_GROUP`, and the index of each event's kind.

        Parameters
        ----------
        rows : ndarray of EVENT_DTYPE, shape (events,)

        Returns
        -------
        kinds : ndarray of KIND_DTYPE, shape (kinds,)
        index : ndarray of uint8 or uint16, shape (events,)
        """
        count, words = len(rows), words_of(rows)
        size, numbers, key, rest = words[:, 1], self._numbers[:count], self._key[:count], self._work[:count]
        np.right_shift(words[:, 2], np.uint64(AGENT_SHIFT), out=rest)
        np.left_shift(size, np.uint64(_REST_BITS), out=key)
        key |= rest
        for factor in _FACTORS if int(size.max()) >> _REST_BITS == 0 else ():
            same = self._meet(key, factor)
            if self._equal(key, same):
                first = np.flatnonzero(same == _ORDER[:count])
                numbers[first] = _ORDER[: len(first)]
                return _kinds(rows[first]), numbers.take(same).astype(_index_type(len(first)), copy=False)
        rest = words[:, 2] >> np.uint64(AGENT_SHIFT)
        order = np.lexsort((rest, size))
        new = np.ones(count, bool)
        new[1:] = (np.diff(size[order]) != 0) | (np.diff(rest[order]) != 0)
        numbers[order] = np.cumsum(new) - 1
        return _kinds(rows[order[new]]), numbers.astype(_index_type(int(new.sum())))

    def _meet(self, key: "NDArray[np.uint64]", factor: int) -> "NDArray[np.intp]":
        """For each event, one event with the same hash: the same one for all events with that hash."""
        slot = self._hash[: len(key)]
        np.multiply(key, np.uint64(factor), out=slot)
        slot >>= np.uint64(48)
        self._last[slot.view(np.intp)] = _ORDER[: len(key)]
        return np.take(self._last, slot.view(np.intp), out=self._same[: len(key)], mode="clip")

    def _equal(self, column: "NDArray[np.uint64]", same: "NDArray[np.intp]") -> bool:
        """Whether each event has the same value in a column as the event that stands for its hash."""
        work = np.take(column, same, out=self._work[: len(column)], mode="clip")
        return bool((work == column).all())


def find_fault(
    kinds: "NDArray[np.void]",
    index: "NDArray[np.unsignedinteger]",
    addresses: "NDArray[np.uint64]",
    agents: int,
    operations: frozenset[Op],
) -> Fault | None:
    """Find the first invalid event; return None if all are valid.

    Parameters
    ----------
    kinds, index
        The result of `Grouper.group`.
    addresses : ndarray of uint64, shape (events,)
        The events' addresses.
    agents : int
        The number of agents.
    operations : frozenset of Op
        The operations that the trace can have.
    """
    ops = np.minimum(kinds["op"], len(Op) - 1)
    sizes = kinds["size"]
    wrong_kind = (kinds["op"] >= len(Op)) | (kinds["agent"] >= agents)
    allowed = np.array([op in operations for op in Op])
    if not allowed.all():
        wrong_kind |= ~allowed[ops]
    wrong_kind |= ~_ATTRIBUTES[_version(operations)][ops, kinds["attributes"]]
    wrong_kind |= (sizes == 0) == _HAS_RANGE[ops]
    wrong_kind |= (_PAGES[ops] & (sizes % PAGE_SIZE != 0)) | (sizes > ADDRESS_LIMIT)
    wrong = []
    if wrong_kind.any():
        wrong.append(wrong_kind[index])
        if not wrong[0].any():
            at = int(np.argmax(wrong_kind))
            return Fault(-1, f"kind {at}: {_reason(kinds[at], 0, agents, operations)}")
    last = np.uint64(ADDRESS_LIMIT) - np.minimum(sizes, np.uint64(ADDRESS_LIMIT))
    if int(addresses.max()) > int(last.min()):
        wrong.append(addresses > last[index])
    if _PAGES[ops].any():
        wrong.append(_PAGES[ops][index] & (addresses % np.uint64(PAGE_SIZE) != 0))
    if not _HAS_RANGE[ops].all():
        wrong.append(~_HAS_RANGE[ops][index] & (addresses != 0))
    at = min((int(np.argmax(each)) for each in wrong if each.any()), default=-1)
    return Fault(at, _reason(kinds[index[at]], int(addresses[at]), agents, operations)) if at >= 0 else None


def _reason(kind: "np.void", address: int, agents: int, operations: frozenset[Op]) -> str:
    """The reason why an event is invalid, in the words of the text form's error if it has one."""
    size, agent, number, attributes = kind.item()
    if number >= len(Op):
        return f"there is no operation {number}"
    op = Op(number)
    if op not in operations:
        return f"operation {number}, '{op.words}', is not an event: {why_not(op, operations)}"
    if agent >= agents:
        return f"agent {agent} of '{op.words}' has no name"
    if not _ATTRIBUTES[_version(operations)][number, attributes]:
        return f"attributes {attributes:#x} of '{op.words}'"
    if not op.has_range:
        return f"'{op.words}' with an address or a size"
    if size == 0:
        return f"the size of '{op.words}' is 0"
    if address + size > ADDRESS_LIMIT:
        return f"{address:#x} + {size:#x} reaches past 2^52"
    return f"'{op.words}' of a partial page: {address:#x} + {size:#x}"


def _kinds(rows: "NDArray[np.void]") -> "NDArray[np.void]":
    kinds = np.empty(len(rows), KIND_DTYPE)
    for name in KIND_DTYPE.names or ():
        kinds[name] = rows[name]
    return kinds


def _index_type(kinds: int) -> type[np.unsignedinteger]:
    return np.uint8 if kinds <= 1 << 8 else np.uint16


def _version(operations: frozenset[Op]) -> int:
    """The version of the form of a trace that can have these operations."""
    return 2 if Op.POLL in operations else 1


def _allowed(version: int) -> "NDArray[np.bool_]":
    """The attributes that each operation may have."""
    allowed = np.zeros((len(Op), 256), bool)
    for op in Op:
        allowed[op, list(allowed_attributes(op, version=version))] = True
    return allowed


_HAS_RANGE = np.array([op.has_range for op in Op])
_PAGES = np.array([op.traits.whole_pages for op in Op])
_ATTRIBUTES = {version: _allowed(version) for version in (1, 2)}
