# SPDX-License-Identifier: GPL-2.0-or-later
"""The instructions of events."""

from collections.abc import Sequence
from typing import NamedTuple

from coldline.events.batch import Batch, InstructionState


class Code(NamedTuple):
    """An instruction's virtual and physical address, and whether it is a Thumb instruction."""

    virtual: int
    physical: int
    thumb: bool = False


def code_of(batch: Batch, wanted: Sequence[int], first: int) -> dict[int, Code]:
    """The instructions of some events, by their numbers in the trace, as far as the batch has them.

    `first` is the number of the batch's first event.
    """
    if batch.instructions is None:
        return {}
    found = {}
    for number in wanted:
        if 0 <= number - first < len(batch):
            virtual, physical, state = batch.instructions[number - first].tolist()
            if state != InstructionState.UNKNOWN:
                found[number] = Code(virtual, physical, state == InstructionState.T32)
    return found
