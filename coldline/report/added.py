# SPDX-License-Identifier: GPL-2.0-or-later
"""What was added to a guest's code, and how the guest ran with it."""

from coldline.support.frozen_record import Record
from coldline.verdict import Verdict


class AddedOperations(Record, kw_only=True):
    """Operations that were to be added to the guest's code, at one place.

    Attributes
    ----------
    text : str
        The operations and their place, as they were given.
    operations : tuple of str
        The operations, as events of a trace.
    pcs : tuple of int
        The virtual addresses of the instruction that they come before.
    count, core : int
        Which time it is reached, from 1, and by which vCPU.
    reached : int
        How often it was reached.
    """

    text: str
    operations: tuple[str, ...]
    pcs: tuple[int, ...]
    count: int
    core: int
    reached: int

    @property
    def was_added(self) -> bool:
        """Whether the place was reached, and the operations were added."""
        return self.reached >= self.count


class Repaired(Record, kw_only=True):
    """A run of a guest with a repair of each cause that has one.

    Attributes
    ----------
    operations : tuple of str
        What was added to its code, each as ``--with`` takes it.
    verdict : Verdict
        The verdict on that run.
    kinds : tuple of str
        The kinds of hazard that are left.
    """

    operations: tuple[str, ...]
    verdict: Verdict
    kinds: tuple[str, ...]
