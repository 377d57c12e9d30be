# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest does that is given old bytes, beside what it did without them."""

from typing import NamedTuple


class Divergence(NamedTuple):
    """The first instruction that differs between two runs.

    Attributes
    ----------
    after : int or None
        The virtual address of the last block of code of which both executed something; None if there was none.
    was, now : int or None
        The next instruction of each: as it was, and with old bytes; None for the end of that run.
    blocks : int
        How many blocks of code were the same before that.
    """

    after: int | None
    was: int | None
    now: int | None
    blocks: int


class RunEnding(NamedTuple):
    """How a run ended: see `Outcome`."""

    end: str
    psci: tuple[int, ...] | None
    fault: str
    pc: int | None
    instructions: int
    console: str


class Consequence(NamedTuple):
    """What a guest did that was given old bytes.

    Attributes
    ----------
    why_not : str
        Why it could not be given any; then nothing else is known.
    copy : str
        The copy whose bytes were given.
    reader : str
        The kind of access that got them: ``read``, ``fetch`` or ``walk``.
    address, size : int
        The lines.
    old, new : bytes
        The bytes of the first line that differs: the old ones, and those that memory had at the bad read.
    differs : int
        The address of the first byte that differs, from the bad one on.
    before_event : int
        The old bytes are those that the lines had just before the event of this number.
    contents : int
        How many different contents the first line had until the bad read. A copy could also have another one of them.
    given : int
        How many loads, or blocks of code, got old bytes; for walks 1.
    instruction : int
        The virtual address of the instruction that got the first of them, or of the first old instruction.
    divergence : Divergence or None
        The first difference of what was executed; None if there was none among the blocks that were compared.
    compared : int
        How many blocks of code were compared.
    pages : int
        How many pages of memory had other contents at the end.
    was, now : RunEnding
        How the run ended, without and with old bytes.
    """

    why_not: str = ""
    copy: str = ""
    reader: str = ""
    address: int = 0
    size: int = 0
    old: bytes = b""
    new: bytes = b""
    differs: int = 0
    before_event: int = 0
    contents: int = 0
    given: int = 0
    instruction: int = 0
    divergence: Divergence | None = None
    compared: int = 0
    pages: int = 0
    was: RunEnding | None = None
    now: RunEnding | None = None

    @property
    def shows(self) -> bool:
        """Whether anything was different."""
        return self.divergence is not None or self.pages > 0 or self.ends_otherwise

    @property
    def ends_otherwise(self) -> bool:
        """Whether the run ended in another way, or printed something else."""
        if self.was is None or self.now is None:
            return False
        return self.was._replace(instructions=0) != self.now._replace(instructions=0)
