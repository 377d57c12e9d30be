# SPDX-License-Identifier: GPL-2.0-or-later
"""A hazard names the instruction that its source gives for the event, whatever other agents fetch in between."""

import numpy as np
import pytest

from coldline.events import Op
from coldline.events.batch import INSTRUCTION_DTYPE, Batch, InstructionState
from coldline.events.source import Batches
from coldline.explain.event_code import Code
from coldline.first_pass import check
from coldline.rules.profile import Profile
from coldline.trace.text import parse_event
from coldline.verdict import judge

RACE = """
dom0 map 0x40000000 0x1000 normal-wb
dom0 write 0x40000000 64
dom0 dc civac 0x40000000 64
dom0 unmap 0x40000000 0x1000
guest mmu off
guest fetch 0x50000000 16
guest write 0x40000000 8
guest map 0x40000000 0x1000 normal-wb
guest mmu on
guest1 mmu off
guest1 fetch 0x60000000 64
guest read 0x40000000 8
""".strip().splitlines()


def race(state: InstructionState | None) -> Batches:
    events = [parse_event(line.split()) for line in RACE]
    batch = Batch.of(events)
    if state is None:
        return Batches([batch])
    rows = np.zeros(len(events), INSTRUCTION_DTYPE)
    for index, event in enumerate(events):
        if event.op is Op.FETCH:
            rows[index] = (event.address + (1 << 32), event.address, state)
    rows[-1] = ((1 << 32) + 0x5000_0008, 0x5000_0008, state)
    return Batches([Batch(batch.agents, batch.rows, instructions=rows)])


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (InstructionState.A64, Code((1 << 32) + 0x5000_0008, 0x5000_0008)),
        (InstructionState.T32, Code((1 << 32) + 0x5000_0008, 0x5000_0008, thumb=True)),
        (InstructionState.UNKNOWN, None),
        (None, None),
    ],
)
def test_the_instruction_of_a_hazard(state: InstructionState | None, code: Code | None) -> None:
    source = race(state)
    found = judge(check(source, Profile()), source, most=5, stories=5)
    assert [(hazard.entry.kind, hazard.code) for hazard in found.hazards] == [("stale-read", code)]
