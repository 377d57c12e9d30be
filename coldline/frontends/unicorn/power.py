# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers PSCI calls for all vCPUs of a machine: which of them are on (Arm DEN 0022, chapter 5)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from coldline.arm import psci

_AFFINITY: Final = 0xFF_00FF_FFFF
_SUPPORTED: Final = frozenset(
    {
        psci.VERSION,
        psci.FEATURES,
        psci.CPU_ON,
        psci.CPU_OFF,
        psci.AFFINITY_INFO,
        psci.MIGRATE_INFO_TYPE,
        psci.SYSTEM_OFF,
        psci.SYSTEM_RESET,
    }
)


class Start(NamedTuple):
    """A vCPU that a call turns on: its number, its first instruction, and what its first register holds."""

    vcpu: int
    entry: int
    context: int


class Reply(NamedTuple):
    """What a call does.

    Attributes
    ----------
    result : int
        The caller's x0.
    start : Start or None
        The vCPU that it turns on.
    stops : bool
        Whether it turns its caller off.
    """

    result: int
    start: Start | None = None
    stops: bool = False


class Power:
    """The power states of a machine's vCPUs. A vCPU's affinity is its number.

    Parameters
    ----------
    vcpus : int
        How many there are.
    """

    def __init__(self, vcpus: int) -> None:
        self._on = [False] * vcpus

    def started(self, vcpu: int) -> None:
        """Note that a vCPU runs."""
        self._on[vcpu] = True

    def call(self, vcpu: int, call: Sequence[int]) -> Reply:
        """Answer a call that returns, or turns its caller off.

        Parameters
        ----------
        vcpu : int
            The caller.
        call : sequence of int
            The function and three arguments: x0 to x3, or r0 to r3.
        """
        function, argument, entry, context = call
        number = psci.number_of(function)
        if number == psci.CPU_ON:
            return self._turn_on(argument & _AFFINITY, entry, context)
        if number == psci.CPU_OFF:
            self._on[vcpu] = False
            return Reply(psci.RETURNED, stops=True)
        if number == psci.AFFINITY_INFO:
            return Reply(self._state(argument & _AFFINITY))
        if number == psci.FEATURES:
            known = psci.number_of(argument) in _SUPPORTED
            return Reply(psci.RETURNED if known else psci.NOT_SUPPORTED)
        answers = {psci.VERSION: psci.VERSION_1_0, psci.MIGRATE_INFO_TYPE: psci.NO_TRUSTED_OS}
        return Reply(answers.get(number, psci.NOT_SUPPORTED))

    def _turn_on(self, vcpu: int, entry: int, context: int) -> Reply:
        if vcpu >= len(self._on):
            return Reply(psci.INVALID_PARAMETERS)
        if self._on[vcpu]:
            return Reply(psci.ALREADY_ON)
        self._on[vcpu] = True
        return Reply(psci.RETURNED, Start(vcpu, entry, context))

    def _state(self, vcpu: int) -> int:
        if vcpu >= len(self._on):
            return psci.INVALID_PARAMETERS
        return psci.IS_ON if self._on[vcpu] else psci.IS_OFF
