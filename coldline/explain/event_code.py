# SPDX-License-Identifier: GPL-2.0-or-later
"""The instructions of events."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from coldline.events.batch import Batch, InstructionState
from coldline.explain.selection import Part


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


def code_of(part: Part, wanted: Sequence[int]) -> dict[int, Code]:
    """The instructions of some events, by their numbers in the trace, as far as they are there and have them."""
    if part.batch.instructions is None:
        return {}
    numbers = np.array(wanted, np.int64)
    places = np.searchsorted(part.numbers, numbers)
    inside = places < len(part.numbers)
    inside[inside] = part.numbers[places[inside]] == numbers[inside]
    found = (
        (number, instruction_of(part.batch, index))
        for number, index in zip(numbers[inside].tolist(), places[inside].tolist(), strict=True)
    )
    return {number: code for number, code in found if code is not None}
