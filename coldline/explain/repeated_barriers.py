# SPDX-License-Identifier: GPL-2.0-or-later
"""Leaves out barriers that change nothing, as the same agent had the same one and no other event was between them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from coldline.events import Op
from coldline.events.op import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BARRIER: Final = np.array([op.kind is Kind.BARRIER for op in Op])


class RepeatedBarriers:
    """Tells the barriers of a run that change nothing, batch by batch."""

    def __init__(self) -> None:
        self._had: set[tuple[str, int]] = set()
        """The agents and the barriers that they had since the last event that is none."""

    def left(self, rows: "NDArray[np.void]", agents: Sequence[str]) -> "NDArray[np.bool_]":
        """Which of the next events are no such barriers.

        Parameters
        ----------
        rows : ndarray, shape (events,)
            The events.
        agents : sequence of str
            The names of their agents.
        """
        is_barrier = _BARRIER[rows["op"]]
        left = ~is_barrier
        others = np.cumsum(left)  # how many other events have come
        barriers = np.flatnonzero(is_barrier)
        keys = (others << 32) | (rows["op"].astype(np.int64) << 16) | rows["agent"]
        left[barriers[np.unique(keys[barriers], return_index=True)[1]]] = True
        for index in np.flatnonzero(left & (others == 0)).tolist():
            left[index] = _key(rows[index], agents) not in self._had
        if len(rows) and others[-1]:
            self._had.clear()
            rows = rows[others == others[-1]][1:]
        self._had |= {_key(row, agents) for row in rows}
        return np.asarray(left)


def _key(row: "np.void", agents: Sequence[str]) -> tuple[str, int]:
    return agents[int(row["agent"])], int(row["op"])
