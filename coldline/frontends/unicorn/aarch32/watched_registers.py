# SPDX-License-Identifier: GPL-2.0-or-later
"""The registers and operations of CP15 that a run follows, by their encodings."""

from coldline.arm import cp15
from coldline.events.op import Op

WATCHED = {
    register.key: register
    for register in (
        cp15.SCTLR,
        cp15.TTBR0,
        cp15.TTBR1,
        cp15.TTBR0_WIDE,
        cp15.TTBR1_WIDE,
        cp15.TTBCR,
        cp15.PRRR,
        cp15.NMRR,
    )
}
"""The registers whose writes are followed."""

COUNTERS = tuple(register.key for register in (cp15.CNTPCT, cp15.CNTVCT, cp15.PMCCNTR))
"""The counters, which give the guest the time."""

_OPS = {op.words: op for op in Op}

OPERATIONS = {operation.key: _OPS[name] for name, operation in cp15.CP15_MAINTENANCE.items()}
"""The operations that maintain a cache."""

BARRIER_OPERATIONS = {operation.key: _OPS[name] for name, operation in cp15.CP15_BARRIERS.items()}
"""The operations that are barriers."""
