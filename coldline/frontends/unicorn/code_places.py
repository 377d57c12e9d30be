# SPDX-License-Identifier: GPL-2.0-or-later
"""Where code is: in this process, and which instruction events are attributed to. Imported only to compile."""

from typing import Any

from coldline.jit.intrinsics import compiled, uint64
from coldline.mmu.view import ADDRESS_MASK


@compiled
def code_at(s: Any, tagged: int) -> Any:
    """The address in this process of code at a tagged address; 0 outside of RAM."""
    physical = uint64(tagged & ADDRESS_MASK)
    for bank in range(s.banks):
        offset = physical - s.bank_base[bank]
        if tagged >= 0 and offset < s.bank_size[bank]:
            return s.bank_pointer[bank] + offset
    return uint64(0)


@compiled
def at_block(s: Any) -> None:
    """Attribute events to the first instruction of the block that is running."""
    s.at_virtual, s.at_physical = s.block, s.block_physical


@compiled
def at_instruction(s: Any, pc: Any) -> None:
    """Attribute events to the instruction at virtual address `pc`: all instructions of a block start in one page."""
    s.at_virtual, s.at_physical = pc, s.block_physical + (pc - s.block)
