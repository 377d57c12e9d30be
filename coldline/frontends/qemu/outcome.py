# SPDX-License-Identifier: GPL-2.0-or-later
"""How a machine that was watched ran."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Watched:
    """How a machine ran.

    Attributes
    ----------
    release : str
        QEMU's.
    status : int or None
        QEMU's exit status, negative for a signal; None if it was ended from here.
    failure : str
        Why the machine was not watched to its end; empty if it was.
    complaints : str
        What QEMU wrote on standard error.
    instructions, accesses, maintained : int
        Executed instructions; loads and stores of RAM; operations of cache maintenance.
    unknown : int
        Accesses whose translation could not be followed.
    unknown_at : int
        The virtual address of the first of them.
    lost : int
        Leaves of stages 2 for which there was no room.
    waits : int
        How often QEMU has waited for the reader.
    guests : list of str
        The names of guests, in the order in which they began.
    loaded : list of (int, int)
        Addresses and sizes of what was in RAM before the first instruction.
    """

    release: str = ""
    status: int | None = None
    failure: str = ""
    complaints: str = ""
    instructions: int = 0
    accesses: int = 0
    maintained: int = 0
    unknown: int = 0
    unknown_at: int = 0
    lost: int = 0
    waits: int = 0
    guests: list[str] = field(default_factory=list)
    loaded: list[tuple[int, int]] = field(default_factory=list)
