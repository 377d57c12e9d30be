# SPDX-License-Identifier: GPL-2.0-or-later
"""The operations that a trace can have, by what its head says."""

from functools import lru_cache

from coldline.events.op import Kind, Op
from coldline.rules.profile import Profile


@lru_cache
def operations_of(profile: Profile) -> frozenset[Op]:
    """The operations that a trace with this profile can have: barriers need ``option order``, others a version."""
    version = 1 if profile.ordering is None else 2
    return frozenset(
        op for op in Op if op.traits.version <= version and (not op.traits.ordered or profile.has_barriers)
    )


OF_VERSION_1 = operations_of(Profile())
"""The operations of a trace in version 1."""


def why_not(op: Op, operations: frozenset[Op]) -> str:
    """The reason why `op` is none of `operations`, or an empty text."""
    if op in operations:
        return ""
    if op.kind in (Kind.ALIAS, Kind.TLB):
        return (
            "it is one only in a trace with 'version 2' and 'option order'; in any other, 'unmap' says when an "
            "alias has ended"
        )
    if op.traits.ordered:
        return (
            "it is one only in a trace with 'version 2' and 'option order'; in any other, "
            "events complete in their order"
        )
    return "it is one only in a trace with 'version 2'"
