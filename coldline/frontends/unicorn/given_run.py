# SPDX-License-Identifier: GPL-2.0-or-later
"""Gives a guest old bytes of some lines: what a read may return by the architecture, where memory has newer ones.

Loads get them one by one: they are put into memory before the load, and taken back after it. For fetches and walks,
which no callback precedes, they stay in memory, and loads and stores find the new ones in their place.
"""

from typing import TYPE_CHECKING, Any, Final

from unicorn import unicorn_const as const

from coldline.arm.fields import Sctlr
from coldline.events.agent_names import agents_of, vcpu_name
from coldline.frontends.unicorn.line_hooks import (
    AFTER_READ,
    ALL_TAGS,
    BEFORE_READ,
    BEFORE_WRITE,
    LineHooks,
    tags_of,
)
from coldline.frontends.unicorn.old_bytes import GivenTo, OldBytes
from coldline.frontends.unicorn.recorded_run import RecordedRun, RunMark, stop_soon
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.frontends.unicorn.vcpu import Vcpu

_SWITCHES: Final = Sctlr.M.mask | Sctlr.C.mask | Sctlr.I.mask


class GivenRun(RecordedRun):
    """Follows a run, and gives one vCPU old bytes from a place on.

    It ends with maintenance of the lines, with a change of SCTLR.M, C or I, and for each byte with a store through
    the caches.

    Parameters
    ----------
    mark : RunMark
        The vCPU and the place.
    old : OldBytes
        The bytes.

    Attributes
    ----------
    given : int
        How many loads, or blocks of code, got old bytes; of walks, whether they could.
    instruction : int
        The virtual address of the first old instruction that was executed.
    new_bytes : bytes
        What memory had in place of the first bytes that were given; empty if none were.
    """

    def __init__(self, mark: RunMark, old: OldBytes) -> None:
        super().__init__([mark])
        self.given = self.instruction = 0
        self.new_bytes = b""
        self._old, self._core = old, mark.core
        self._active = False
        self._keeps = bytearray(b"\x01" * len(old.data))
        self._new = bytearray()
        self._lent: tuple[int, bytes] | None = None
        self._stored: list[tuple[int, int, bool]] = []
        self._line_hooks: list[LineHooks] = []
        self._block_hooks: list[tuple[Vcpu, int]] = []
        self._switches = 0

    @property
    def _stays(self) -> bool:
        """Whether the old bytes stay in memory."""
        return self._old.reader is not GivenTo.LOAD

    def started(self, vcpu: "Vcpu") -> None:
        """See `Follower.started`."""
        super().started(vcpu)
        if self._active:
            self._follow(vcpu)

    def reached(self, vcpu: "Vcpu", mark: RunMark) -> None:
        """See `RecordedRun.reached`: begin."""
        self._active = True
        for each in self.vcpus:
            self._follow(each)
        if self._stays:
            self._new = bytearray(vcpu.state.view.bytes_at(self._old.address, len(self._old.data)))
            self._hide(self._old.address, self._old.end)
            self._follow_blocks(vcpu)
            self._forget_code()

    def _follow_blocks(self, vcpu: "Vcpu") -> None:
        """Take the blocks of code that may have old bytes, or all of them until a walk has got some."""

        def on_block(_: Any, address: int, size: int, __: Any) -> None:
            if self._active:
                self._entered(vcpu, address, size)

        start = max(self._old.code - PAGE_SIZE, 0)
        ranges = (start, self._old.code + len(self._new) - 1) if self._old.reader is GivenTo.FETCH else (1, 0)
        self._block_hooks.append((vcpu, vcpu.emulator.hook_add(const.UC_HOOK_BLOCK, on_block, None, *ranges)))

    def _leave_blocks(self) -> None:
        for vcpu, handle in self._block_hooks:
            vcpu.emulator.hook_del(handle)
        self._block_hooks.clear()

    def _follow(self, vcpu: "Vcpu") -> None:
        old, state = self._old, vcpu.state
        state["kept_low"], state["kept_high"] = old.address, old.end
        state["kept_ends"] = sum(1 << op for op in old.ends)
        if self._stays:
            calls = ((BEFORE_READ, self._show), (AFTER_READ, self._hide), (BEFORE_WRITE, self._note_store))
            tags = ALL_TAGS
        elif vcpu.number == self._core:
            calls = (
                (BEFORE_READ, self._lend),
                (AFTER_READ, self._take_back),
                (BEFORE_WRITE, self._overwrite),
            )
            tags = tuple(tags_of(vcpu, agents_of(vcpu.name).index(old.agent)))
        else:
            return
        for kind, call in calls:
            self._line_hooks.append(LineHooks(vcpu, kind, old.address, old.end, call, tags))

    def next_stop(self, vcpu: "Vcpu") -> int:
        """See `Follower.next_stop`."""
        return 0 if self._is_over() or self._stored else super().next_stop(vcpu)

    def _is_over(self) -> bool:
        return self._active and any(each.state["kept_over"] for each in self.vcpus)

    def stopped(self, vcpu: "Vcpu") -> None:
        """See `Follower.stopped`."""
        super().stopped(vcpu)
        self._settle()
        if self._is_over():
            self._stop()
        if self.given and self._old.reader is GivenTo.WALK:
            self._leave_blocks()

    def switched(self, vcpu: "Vcpu") -> None:
        """See `Follower.switched`."""
        if (
            self._active
            and self.given
            and vcpu.number == self._core
            and self._switches_now() != self._switches
        ):
            self._stop()

    def _entered(self, vcpu: "Vcpu", address: int, size: int) -> None:
        """Take a block of code that the vCPU enters."""
        self._settle()
        if self.number(vcpu) - 1 < self._old.event:
            return
        if self._old.reader is GivenTo.WALK:
            self._give_to_walk()
            stop_soon(vcpu)
            return
        low = max(address - self._old.code, 0)
        high = min(address + size - self._old.code, len(self._new))
        if low >= high:
            return
        old = self._mixed(self._old.address + low, bytes(self._new[low:high]))
        differs = next((at for at in range(low, high) if old[at - low] != self._new[at]), None)
        if differs is None:
            return
        if not self.given:
            self._begin(bytes(self._new))
            width = 2 if vcpu.core_state.instruction_set == "thumb" else 4
            self.instruction = self._old.code + differs - differs % width
        self.given += 1

    def _give_to_walk(self) -> None:
        """Note that the walk was made, which no callback tells."""
        if not self.given:
            self._begin(bytes(self._new))
            self.given = 1

    def _begin(self, new: bytes) -> None:
        """Note what memory has when the first old bytes are given."""
        self.new_bytes = new
        self._switches = self._switches_now()

    def ended(self, used: list[tuple[int, int]]) -> None:
        """See `Follower.ended`."""
        if self._active:
            if self._old.reader is GivenTo.WALK and self._events > self._old.event:
                self._give_to_walk()
            self._stop()
        super().ended(used)

    def _stop(self) -> None:
        """Give no more old bytes, and put the new ones back."""
        self._active = False
        for each in self._line_hooks:
            each.remove()
        self._line_hooks.clear()
        self._leave_blocks()
        for vcpu in self.vcpus:
            vcpu.state["kept_ends"] = vcpu.state["kept_over"] = 0
        if self._stays:
            self._settle()
            self._put(self._old.address, bytes(self._new))
            self._forget_code()

    def _forget_code(self) -> None:
        for vcpu in self.vcpus:
            vcpu.forget_code()

    # -- loads ------------------------------------------------------------------------------------------------

    def _lend(self, low: int, high: int) -> None:
        """Put old bytes into memory for a load."""
        vcpu = self._vcpu
        if vcpu.state["kept_over"] or self.number(vcpu) - 1 < self._old.event:
            return
        new = self._bytes(low, high)
        old = self._mixed(low, new)
        if old == new:
            return
        if not self.given:
            self._begin(self._bytes(self._old.address, self._old.end))
        self.given += 1
        self._lent = low, new
        self._put(low, old)

    def _take_back(self, low: int, high: int) -> None:
        """Take back what was put into memory for a load."""
        if self._lent is not None:
            self._put(*self._lent)
            self._lent = None

    def _overwrite(self, low: int, high: int) -> None:
        """A store by the agent that gets old bytes: from now on, it gets what it stored."""
        if self._changes_the_copy():
            self._keeps[low - self._old.address : high - self._old.address] = bytes(high - low)

    # -- fetches and walks ------------------------------------------------------------------------------------

    def _show(self, low: int, high: int) -> None:
        """Put new bytes into memory for a load."""
        self._settle()
        self._put(low, bytes(self._new[low - self._old.address : high - self._old.address]))

    def _hide(self, low: int, high: int) -> None:
        """Put old bytes into memory."""
        new = bytes(self._new[low - self._old.address : high - self._old.address])
        self._put(low, self._mixed(low, new))

    def _note_store(self, low: int, high: int) -> None:
        """A store is about to change bytes; `_settle` comes after it, when the vCPU is stopped at the latest."""
        self._settle()
        self._stored.append((low, high, self._changes_the_copy()))
        for each in self.vcpus:
            stop_soon(each)

    def _settle(self) -> None:
        """Take the bytes that were stored, and hide them unless they are in the copy, too."""
        for low, high, changes in self._stored:
            at = low - self._old.address
            self._new[at : at + high - low] = self._bytes(low, high)
            if changes:
                self._keeps[at : at + high - low] = bytes(high - low)
            self._hide(low, high)
        self._stored.clear()

    # -- bytes ------------------------------------------------------------------------------------------------

    @property
    def _vcpu(self) -> "Vcpu":
        """The vCPU that gets old bytes; of several with its number, those before were turned off."""
        return next(each for each in reversed(self.vcpus) if each.number == self._core)

    def _switches_now(self) -> int:
        state = self._vcpu.state
        return state.view.register("sctlr", max(1, state["el"])) & _SWITCHES

    def _changes_the_copy(self) -> bool:
        """Whether a store now goes to the copy that is old: through the caches, or past them if memory is old."""
        is_memory = self._old.agent not in (vcpu_name(self._core), "")
        return is_memory or self._vcpu.has_caches_on()

    def _bytes(self, low: int, high: int) -> bytes:
        return self._vcpu.state.view.bytes_at(low, high - low)

    def _put(self, low: int, data: bytes) -> None:
        self._vcpu.state.view.put_bytes(low, data)

    def _mixed(self, low: int, new: bytes) -> bytes:
        """Old bytes, but for those that were stored since."""
        at = low - self._old.address
        return bytes(
            old if keeps else byte
            for old, keeps, byte in zip(
                self._old.data[at : at + len(new)], self._keeps[at : at + len(new)], new, strict=True
            )
        )
