# SPDX-License-Identifier: GPL-2.0-or-later
"""Events in columns: many at once, as NumPy arrays.

NumPy is imported when the columns are first read, so that code which only writes events does not wait for it.
"""

import enum
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from coldline.events.attributes import pack_attributes, unpack_attributes
from coldline.events.event import Event
from coldline.events.layout import DTYPE_FIELDS, EVENT_SIZE, STRUCT_FORMAT
from coldline.events.op import Op

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    EVENT_DTYPE: np.dtype[np.void]
    INSTRUCTION_DTYPE: np.dtype[np.void]

_EVENT = struct.Struct(STRUCT_FORMAT)

_INSTRUCTION_FIELDS = (("virtual", "<u8"), ("physical", "<u8"), ("state", "<u8"))
"""`INSTRUCTION_DTYPE`: the instruction that caused an event. `state` is an `InstructionState`."""

INSTRUCTION_SIZE = 24
"""Bytes of an instruction's row."""


class InstructionState(enum.IntEnum):
    """The instruction set of an instruction. `UNKNOWN`: the front end does not know the instruction."""

    UNKNOWN = 0
    A64 = 1
    A32 = 2
    T32 = 3


class Batch:
    """Consecutive events, in columns.

    Attributes
    ----------
    agents : sequence of str
        The names that the ``agent`` column indexes.
    rows : ndarray of EVENT_DTYPE, shape (events,)
        The events, passed as an array or as its bytes. The producer may use this memory again after every sink has
        returned, unless a sink calls `keep`.
    instructions : ndarray of INSTRUCTION_DTYPE, shape (events,), or None
        The instruction that caused each event: its virtual address, its physical address and its instruction set.
        The instruction of a fetch is the first one that it fetches. None if the source does not know instructions or
        was not asked for them. The producer may use this memory again together with `rows`.
    kept : bool
        Whether a sink keeps the batch.
    begins_guest : bool
        Whether a guest begins with this batch: its hazards are its own, where lines had others before.
    """

    def __init__(
        self,
        agents: Sequence[str],
        rows: "NDArray[np.void] | bytearray | memoryview",
        give_back: Callable[[], None] | None = None,
        *,
        instructions: "NDArray[np.void] | bytearray | memoryview | None" = None,
        begins_guest: bool = False,
    ) -> None:
        self.agents = agents
        self.kept = False
        self.begins_guest = begins_guest
        self._rows = rows
        self._instructions = instructions
        self._give_back = give_back

    @property
    def rows(self) -> "NDArray[np.void]":
        """The events, as columns."""
        if isinstance(self._rows, bytearray | memoryview):
            import numpy as np

            self._rows = np.frombuffer(self._rows, _dtype(DTYPE_FIELDS))
        return self._rows

    @property
    def instructions(self) -> "NDArray[np.void] | None":
        """The instruction of each event, as columns."""
        if isinstance(self._instructions, bytearray | memoryview):
            import numpy as np

            self._instructions = np.frombuffer(self._instructions, _dtype(_INSTRUCTION_FIELDS))
        return self._instructions

    def want_marks(self) -> None:
        """Have the producer mark what memory the events concern, if it can; nobody has read the columns yet."""

    def marks(self) -> "NDArray[np.uint8] | None":
        """Which memory the events concern, as `coldline.events.footprints` has them; None if nobody marked them."""
        return None

    def selected(
        self, slots: "NDArray[np.bool_]", starts: "NDArray[np.bool_]"
    ) -> "tuple[NDArray[np.void], NDArray[np.intp]]":
        """The events that `coldline.events.footprints.selected` selects, and their indices."""
        from coldline.events.footprints import selected

        indices = selected(self.rows, slots, starts)
        return self.rows[indices], indices

    def keep(self) -> "Batch":
        """Return a batch whose columns do not change until it is released: this one, or a copy."""
        if self._give_back is not None:
            self.kept = True
            return self
        # As bytes: NumPy copies records field by field.
        instructions = None if self._instructions is None else bytearray(self._instructions)
        return Batch(
            self.agents,
            bytearray(self._rows),
            instructions=instructions,
            begins_guest=self.begins_guest,
        )

    def release(self) -> None:
        """Give a kept batch back to its producer."""
        if self._give_back is not None:
            self._give_back()

    def __len__(self) -> int:
        if isinstance(self._rows, bytearray | memoryview):
            return memoryview(self._rows).nbytes // EVENT_SIZE
        return len(self._rows)

    @classmethod
    def of(cls, events: Iterable[Event], where: Iterable[int] | None = None) -> "Batch":
        """Make a batch of `events`; `where` has the line of each event in a text trace."""
        listed = list(events)
        lines = [0] * len(listed) if where is None else list(where)
        names: dict[str, int] = {}
        rows = bytearray()
        for event, line in zip(listed, lines, strict=True):
            agent = names.setdefault(event.agent, len(names))
            attributes = pack_attributes(*event.attributes)
            rows += _EVENT.pack(event.address, event.size, line, agent, event.op, attributes)
        return cls(list(names), rows)

    def events(self, indices: Sequence[int]) -> Iterator[tuple[int, Event]]:
        """Yield the line in a text trace and the event of each of some indices."""
        rows = self.rows[list(indices)].tolist() if indices else []
        for address, size, where, agent, op, attributes in rows:
            yield where, Event(self.agents[agent], Op(op), address, size, *_unpacked(attributes))

    def event(self, index: int) -> Event:
        """Return the event at `index`."""
        row = self.rows[index]
        return Event(
            self.agents[row["agent"]],
            Op(row["op"]),
            int(row["address"]),
            int(row["size"]),
            *unpack_attributes(int(row["attributes"])),
        )


_unpacked = lru_cache(maxsize=1 << 8)(unpack_attributes)


def _dtype(fields: tuple[tuple[str, str], ...]) -> "np.dtype[np.void]":
    import numpy as np

    return np.dtype(list(fields))


_DTYPES = {"EVENT_DTYPE": DTYPE_FIELDS, "INSTRUCTION_DTYPE": _INSTRUCTION_FIELDS}


def __getattr__(name: str) -> Any:
    """`EVENT_DTYPE` and `INSTRUCTION_DTYPE`, created at first use."""
    if name in _DTYPES:
        globals()[name] = _dtype(_DTYPES[name])
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
