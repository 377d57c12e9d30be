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


def instruction_of(batch: Batch, index: int) -> Code | None:
    """The instruction of a batch's event, if the source knows it."""
    if batch.instructions is None:
        return None
    virtual, physical, state = batch.instructions[index].tolist()
    if state == InstructionState.UNKNOWN:
        return None
    return Code(virtual, physical, state == InstructionState.T32)


def code_of(batch: Batch, wanted: Sequence[int], first: int) -> dict[int, Code]:
    """The instructions of some events, by their numbers in the trace, as far as the batch has them.

    `first` is the number of the batch's first event.
    """
    if batch.instructions is None:
        return {}
    here = (number for number in wanted if 0 <= number - first < len(batch))
    found = ((number, instruction_of(batch, number - first)) for number in here)
    return {number: code for number, code in found if code is not None}
