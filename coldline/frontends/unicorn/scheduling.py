# SPDX-License-Identifier: GPL-2.0-or-later
"""The cores that a run has started, and which of them can run."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from coldline.frontends.unicorn.device_polls import describe_poll
from coldline.frontends.unicorn.endless_loops import EndlessLoops
from coldline.frontends.unicorn.traps import Traps
from coldline.frontends.unicorn.turns import END_OF_TIME, SYNCHRONISING_PART
from coldline.frontends.unicorn.vcpu import Vcpu


class Idle(enum.Enum):
    """Why a vCPU does not run."""

    OFF = "off"
    """It has turned itself off."""
    WAIT = "wait"
    """It waits for an interrupt, and none will come."""
    LOOP = "loop"
    """It repeats a loop that changes nothing, until another vCPU stores."""


@dataclass(slots=True, eq=False)
class RunningCore:
    """A vCPU with what watches it.

    Attributes
    ----------
    vcpu : Vcpu
        The vCPU.
    traps : Traps
        Its traps.
    loops : EndlessLoops
        Recognises its endless loops.
    idle : Idle or None
        Why it does not run.
    seen : int
        The effects of the others when the last attempt to recognise a loop began: a later store may end the loop.
    asleep_at : int or None
        The events that the others had sent when it began to wait for one (WFE); None if it does not wait.
    """

    vcpu: Vcpu
    traps: Traps
    loops: EndlessLoops
    idle: Idle | None = None
    seen: int = 0
    asleep_at: int | None = None

    def begin_turn(self, instructions: int, executed: int, limit: int) -> int:
        """Prepare the vCPU's record for a turn; return how many instructions it has executed at the end of the turn.

        Parameters
        ----------
        instructions : int
            Those of the turn.
        executed, limit : int
            Those that all vCPUs have executed, and the most that they may.
        """
        state = self.vcpu.state
        mine = state["instructions"]
        state["yielded"] = state["overrun"] = 0
        state["elapsed"] = executed - mine
        state["synchronises_from"] = min(mine + instructions // SYNCHRONISING_PART, END_OF_TIME)
        return min(max(limit - state["elapsed"], 0), mine + instructions, END_OF_TIME)


class Cores:
    """The cores that were started, by their numbers."""

    def __init__(self) -> None:
        self._cores: dict[int, RunningCore] = {}

    def __iter__(self) -> Iterator[RunningCore]:
        return iter(self._cores.values())

    def __getitem__(self, number: int) -> RunningCore:
        return self._cores[number]

    def add(self, core: RunningCore) -> None:
        """Add a core, in place of one with its number that is off."""
        self._cores[core.vcpu.number] = core

    def poll(self) -> str:
        """Return what the first core that polls a device for ever waits for; empty if none does."""
        for core in self:
            load = core.loops.polled
            if core.idle is Idle.LOOP and load is not None:
                vcpu = core.vcpu
                return describe_poll(load, vcpu.core_state.instruction_set, vcpu.state.view.code_bytes)
        return ""

    def effects(self, *, but: RunningCore) -> int:
        """Return the number of stores and the like of all cores but one."""
        return sum(each.vcpu.state["effects"] for each in self if each is not but)

    def sent_events(self, *, but: RunningCore) -> int:
        """Return the number of events that all cores but one have sent by SEV."""
        return sum(each.vcpu.state["sent_events"] for each in self if each is not but)

    def chosen(self, number: int) -> RunningCore | None:
        """Return a core if it was started and can run now.

        A core that waits for an event can run once another one has sent one, or if no other core can run: the
        architecture lets WFE end at any time.
        """
        core = self._cores.get(number)
        if core is None or not self._can_run(core):
            return None
        if self._is_asleep(core) and any(self._is_awake(each) for each in self if each is not core):
            return None
        return core

    def are_out_of_the_way(self, core: RunningCore) -> bool:
        """Whether no other core can do anything, whatever this one does."""
        return all(each is core or each.idle in (Idle.OFF, Idle.WAIT) for each in self)

    def are_all_idle(self) -> bool:
        """Whether no core would ever do anything again."""
        return not any(self._can_run(core) for core in self)

    def _can_run(self, core: RunningCore) -> bool:
        if core.idle is Idle.LOOP and self.effects(but=core) != core.seen:
            core.idle = None
        return core.idle is None

    def _is_asleep(self, core: RunningCore) -> bool:
        if core.asleep_at is not None and core.asleep_at != self.sent_events(but=core):
            core.asleep_at = None
        return core.asleep_at is not None

    def _is_awake(self, core: RunningCore) -> bool:
        return self._can_run(core) and not self._is_asleep(core)
