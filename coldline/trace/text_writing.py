# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the text form from batches."""

from typing import IO

import numpy as np

from coldline.events.attributes import INVALID, unpack_attributes
from coldline.events.batch import Batch
from coldline.events.op import Op
from coldline.rules.profile import Profile
from coldline.support.units import PAGE_SIZE
from coldline.trace.event_kinds import MAX_GROUP, Grouper
from coldline.trace.text_head import head_lines


class TextWriter:
    """Writes a trace in its text form, one event on each line.

    Parameters
    ----------
    file : binary file
        The file to write to, in UTF-8.
    profile : Profile
        The promises that the trace relies on.
    """

    def __init__(self, file: IO[bytes], profile: Profile) -> None:
        self._file = file
        self._grouper = Grouper()
        file.write(head_lines(profile).encode())

    def write(self, batch: Batch) -> None:
        """Append the events of `batch`."""
        for start in range(0, len(batch), MAX_GROUP):
            rows = batch.rows[start : start + MAX_GROUP]
            kinds, index = self._grouper.group(rows)
            words = [
                _words(batch.agents[agent], Op(op), size, code) for size, agent, op, code in kinds.tolist()
            ]
            heads, tails = zip(*words, strict=True) if words else ((), ())
            pairs = zip(index.tolist(), rows["address"].tolist(), strict=True)
            lines = [f"{heads[kind]}{address:x}{tails[kind]}" for kind, address in pairs]
            for at in np.flatnonzero((kinds["size"] == 0)[index]).tolist():
                lines[at] = heads[index[at]]
            self._file.write("".join(lines).encode())

    def finish(self) -> None:
        """Do nothing: every event has been written."""


def _words(agent: str, op: Op, size: int, attributes: int) -> tuple[str, str]:
    """The parts of a line before and after the digits of its address; the whole line if it has none."""
    first = op.words if op.traits.impersonal else f"{agent} {op.words}"
    if not op.has_range:
        return f"{first}\n", ""
    said = unpack_attributes(attributes)
    word = said.word or (INVALID if op.traits.may_be_invalid else "")
    words = f" {word}{' exec' if said.executable else ''}" if word else ""
    if op.traits.impersonal and agent:
        words += f" {agent}"
    return f"{first} 0x", f" {size:#x}{words}\n" if size >= PAGE_SIZE else f" {size}{words}\n"
