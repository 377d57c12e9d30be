# SPDX-License-Identifier: GPL-2.0-or-later
"""The letters of operations and accesses, as `coldline.checker.state.vocabulary` looks them up."""

from coldline.events import Op
from coldline.rules.alphabet import Letter
from coldline.rules.order.alphabet import Act

MAINTENANCE_LETTERS = {
    Op.DC_IVAC: Letter.DC_IVAC,
    Op.DC_CVAC: Letter.DC_CVAC,
    Op.DC_CIVAC: Letter.DC_CIVAC,
    Op.DC_CVAU: Letter.DC_CVAU,
    Op.DC_ISW: Letter.DC_ISW,
    Op.DC_CSW: Letter.DC_CSW,
    Op.DC_CISW: Letter.DC_CISW,
    Op.IC_IVAU: Letter.IC,
    Op.IC_IALLU: Letter.IC,
    Op.IC_IALLUIS: Letter.IC,
}
"""The letters of maintenance where everything takes effect at once."""

EFFECTIVE_SETWAY = {
    Letter.DC_ISW: Letter.DC_IVAC,
    Letter.DC_CSW: Letter.DC_CVAC,
    Letter.DC_CISW: Letter.DC_CIVAC,
}
"""The letters of set/way maintenance that reaches the line for certain."""

ACCESS_ACTS = {
    Letter.READ_WB: Act.READ,
    Letter.READ_NC: Act.READ_NC,
    Letter.WRITE_WB: Act.WRITE,
    Letter.WRITE_WT: Act.WRITE_WT,
    Letter.WRITE_NC: Act.WRITE_NC,
    Letter.FETCH_WB: Act.FETCH,
    Letter.FETCH_NC: Act.FETCH_NC,
}
"""The acts of accesses by the rules of order."""

WALK_ACTS = {Letter.READ_WB: Act.WALK, Letter.READ_NC: Act.WALK_NC}
"""Those of translation-table reads."""

MAY_HIT_ACTS = {Act.READ_NC: Act.READ_NC_MAY_HIT, Act.WALK_NC: Act.WALK_NC_MAY_HIT}
"""Those of agents whose non-cacheable reads may hit."""

LABELLED_ACTS = {Act.FETCH: Act.FETCH_BY, Act.FETCH_NC_HELD: Act.FETCH_NC_HELD_BY}
"""Those that concern what one agent fetched, where instruction caches are indexed by virtual address."""

CLEANING_OPS = {Op.DC_IVAC: Op.DC_CIVAC, Op.DC_ISW: Op.DC_CISW}
"""What the operations of agents whose ``dc ivac`` cleans are."""

OPERATION_ACTS = {
    Op.DC_CSW: Act.DC_CSW,
    Op.DC_CISW: Act.DC_CISW,
    Op.DC_ISW: Act.DC_ISW,
    Op.IC_IVAU: Act.IC,
    Op.IC_IALLUIS: Act.IC,
    Op.IC_IALLU: Act.IC_LOCAL,
    Op.DSB: Act.DSB,
    Op.DMB: Act.DMB,
    Op.ISB: Act.ISB,
    Op.DSB_NSH: Act.DSB_NSH,
}
"""The acts of other operations."""

OF_MASTERS: dict[Op, tuple[Act, Act] | None] = {
    Op.MAP: None,
    Op.UNMAP: None,
    Op.READ: (Act.MASTER_READ, Act.SNOOPING_READ),
    Op.WALK: (Act.MASTER_READ, Act.SNOOPING_READ),
    Op.POLL: (Act.MASTER_READ, Act.SNOOPING_READ),
    Op.WRITE: (Act.MASTER_WRITE, Act.SNOOPING_WRITE),
}
"""What a master does; for accesses, the acts of one that sees memory alone, and of one that sees the data caches.

A poll is the act that `POLLS` has for a read.
"""
