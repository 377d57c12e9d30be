# SPDX-License-Identifier: GPL-2.0-or-later
"""Barriers that change nothing are left out, however the events are divided into batches."""

import pytest

from coldline.events import Event, Op
from coldline.events.batch import Batch
from coldline.explain.repeated_barriers import RepeatedBarriers

READ = Event("a", Op.READ, 0x1000, 8)
DSB, ISB, OTHER = Event("a", Op.DSB), Event("a", Op.ISB), Event("b", Op.DSB)
EVENTS = [DSB, DSB, ISB, OTHER, DSB, READ, READ, ISB, ISB, DSB, OTHER, OTHER, READ, DSB]
LEFT = [DSB, ISB, OTHER, READ, READ, ISB, DSB, OTHER, READ, DSB]
"""By hand: after each read, the first of each barrier of each agent."""


@pytest.mark.parametrize("size", range(1, len(EVENTS) + 1))
def test_the_first_of_each_barrier_is_left(size: int) -> None:
    repeated = RepeatedBarriers()
    left = []
    for first in range(0, len(EVENTS), size):
        batch = Batch.of(EVENTS[first : first + size])
        chosen = repeated.left(batch.rows, batch.agents)
        left += [batch.event(index) for index in chosen.nonzero()[0].tolist()]
    assert left == LEFT


def test_no_events_are_none() -> None:
    assert RepeatedBarriers().left(Batch.of([]).rows, []).tolist() == []
