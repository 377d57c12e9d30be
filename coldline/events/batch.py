# SPDX-License-Identifier: GPL-2.0-or-later
"""Events in columns: many at once, as NumPy arrays.

NumPy is imported when the columns are first read, so that code which only writes events does not wait for it.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from coldline.arm import MemoryType
from coldline.events.event import Event
from coldline.events.layout import DTYPE_FIELDS, EVENT_SIZE, EXECUTABLE, STRUCT_FORMAT, TYPE_MASK
from coldline.events.op import Op

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    EVENT_DTYPE: np.dtype[np.void]

_EVENT = struct.Struct(STRUCT_FORMAT)


class Batch:
    """Some events in a row, in columns.

    Attributes
    ----------
    agents : sequence of str
        The names that the ``agent`` column counts in.
    rows : ndarray of EVENT_DTYPE, shape (events,)
        The events, given as an array or as its bytes. The maker of the batch may overwrite them once every sink has
        returned, unless a sink calls `keep`.
    kept : bool
        Whether a sink has called `keep`.
    """

    def __init__(
        self,
        agents: Sequence[str],
        rows: "NDArray[np.void] | bytearray | memoryview",
        give_back: Callable[[], None] | None = None,
    ) -> None:
        self.agents = agents
        self.kept = False
        self._rows = rows
        self._give_back = give_back

    @property
    def rows(self) -> "NDArray[np.void]":
        """The events, as columns."""
        if isinstance(self._rows, bytearray | memoryview):
            import numpy as np

            self._rows = np.frombuffer(self._rows, _dtype())
        return self._rows

    def keep(self) -> "Batch":
        """Return a batch whose rows do not change until it is released: this one, or a copy."""
        if self._give_back is not None:
            self.kept = True
            return self
        # As bytes: NumPy copies records field by field.
        return Batch(self.agents, bytearray(self._rows))

    def release(self) -> None:
        """Give back the rows of a batch that was kept."""
        if self._give_back is not None:
            self._give_back()

    def __len__(self) -> int:
        if isinstance(self._rows, bytearray | memoryview):
            return memoryview(self._rows).nbytes // EVENT_SIZE
        return len(self._rows)

    @classmethod
    def of(cls, events: Iterable[Event], where: Iterable[int] | None = None) -> "Batch":
        """A batch of `events`, with the line of each in a text where there is one."""
        listed = list(events)
        lines = [0] * len(listed) if where is None else list(where)
        names: dict[str, int] = {}
        rows = bytearray()
        for event, line in zip(listed, lines, strict=True):
            agent = names.setdefault(event.agent, len(names))
            attributes = pack_attributes(event.memory_type, event.executable)
            rows += _EVENT.pack(event.address, event.size, line, agent, event.op, attributes)
        return cls(list(names), rows)

    def event(self, index: int) -> Event:
        """The event at `index`."""
        row = self.rows[index]
        kind = int(row["attributes"]) & TYPE_MASK
        return Event(
            self.agents[row["agent"]],
            Op(row["op"]),
            int(row["address"]),
            int(row["size"]),
            MemoryType(kind - 1) if kind else None,
            bool(row["attributes"] & EXECUTABLE),
        )


def pack_attributes(memory_type: MemoryType | None, executable: bool) -> int:
    """The ``attributes`` column's value."""
    kind = 0 if memory_type is None else 1 + memory_type
    return kind | (EXECUTABLE if executable else 0)


def _dtype() -> "np.dtype[np.void]":
    import numpy as np

    return np.dtype(list(DTYPE_FIELDS))


def __getattr__(name: str) -> Any:
    """`EVENT_DTYPE`, when it is asked for."""
    if name == "EVENT_DTYPE":
        globals()[name] = _dtype()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
