# SPDX-License-Identifier: GPL-2.0-or-later
"""Which events an agent begins by: before them, its switches say how it starts."""

from coldline.events.op import Kind, Op


def begins(op: Op) -> bool:
    """Whether an agent begins by an operation: by all but maps, unmaps and switches."""
    return op not in (Op.MAP, Op.UNMAP) and op.kind is not Kind.SWITCH and not op.traits.impersonal
