# SPDX-License-Identifier: GPL-2.0-or-later
"""The registers and operations of AArch64 that a run follows, by their encodings."""

from coldline.arm import fields
from coldline.arm.maintenance import BEYOND_COHERENCY, MAINTENANCE
from coldline.events.op import Op
from coldline.frontends.unicorn.state import OPERATION_BITS
from coldline.mmu.view import REGISTERS

WATCHED = {
    register.key: (name, level, register)
    for level, registers in (
        (1, (fields.SCTLR_EL1, fields.TTBR0_EL1, fields.TTBR1_EL1, fields.TCR_EL1, fields.MAIR_EL1)),
        (2, (fields.SCTLR_EL2, fields.TTBR0_EL2, None, fields.TCR_EL2, fields.MAIR_EL2)),
        (3, (fields.SCTLR_EL3, fields.TTBR0_EL3, None, fields.TCR_EL3, fields.MAIR_EL3)),
    )
    for name, register in zip(REGISTERS, registers, strict=True)
    if register is not None
}
"""The registers whose writes are followed: encoding to name, exception level and register."""

COUNTERS = tuple(register.key for register in (fields.CNTPCT_EL0, fields.CNTVCT_EL0, fields.PMCCNTR_EL0))
"""The counters, which give the guest the time."""

_OPERATION = (1 << OPERATION_BITS) - 1
_OPS = {op.words: op for op in Op}

OPERATIONS = {encoding.key & _OPERATION: _OPS[name] for name, encoding in MAINTENANCE.items()} | {
    encoding.key & _OPERATION: Op.DC_CVAC for encoding in BEYOND_COHERENCY.values()
}
"""The encodings of SYS (op1, CRn, CRm, op2: 14 bits) that maintain a cache."""
