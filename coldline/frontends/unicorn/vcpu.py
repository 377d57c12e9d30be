# SPDX-License-Identifier: GPL-2.0-or-later
"""One vCPU: an engine of the emulator over the machine's RAM and devices, with its own record, events and agents."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from unicorn import unicorn_const as const

from coldline.arm.cores import Core
from coldline.arm.fields import Sctlr
from coldline.events import PAGE_SIZE
from coldline.events.agent_names import agents_of, vcpu_name
from coldline.events.source import Sink
from coldline.frontends.unicorn.aarch32.core import Aarch32
from coldline.frontends.unicorn.aarch64.core import Aarch64
from coldline.frontends.unicorn.additions import ROW, Additions
from coldline.frontends.unicorn.callbacks import Callbacks
from coldline.frontends.unicorn.core_state import CoreState
from coldline.frontends.unicorn.devices import Bus
from coldline.frontends.unicorn.pc_sync import engine_address, keeps_counter, skip_sync_offset
from coldline.frontends.unicorn.state import DATA_TAG, MAX_PEERS, TAGS, State
from coldline.jit.shared_record import address_of
from coldline.mmu.registers import follow_registers
from coldline.mmu.view import NOWHERE, TAG_SHIFT

if TYPE_CHECKING:
    from coldline.guest.plan import Registers

_CORE_STATES: Final[dict[str, type[CoreState]]] = {"arm64": Aarch64, "arm32": Aarch32}
_RES1: Final = 1 << 31
"""MPIDR's RES1 bit (Arm ARM DDI 0487, MPIDR_EL1): each vCPU is one of several cores."""

_BOTH: Final = Sctlr.M.mask | Sctlr.C.mask
_READ_AND_WRITE: Final = const.UC_PROT_READ | const.UC_PROT_WRITE


class Vcpu:
    """A vCPU with its MMU and caches off. Every access that it makes becomes an event.

    Parameters
    ----------
    number : int
        Its number in the machine.
    ram : sequence of (base, buffer)
        The machine's RAM: physical base and the bytes themselves, which the guest changes.
    core : Core
        The core profile: its instruction set and its cache line.
    registers : Registers
        Its first registers.
    exception_level : int
        The one that it starts at, 1 to 3, and the highest that it has.
    bus : Bus
        The machine's devices.
    flash : int
        The number of banks, from the first, that are flash: stores change nothing there.
    stage2 : int
        The host's stage 2: see `coldline.arm.stage2`. If it forces write-back, the vCPU's own switches and tables
        change no memory type, and the host announces its only alias.
    instructions : bool
        Whether each event's instruction is wanted.
    orders : bool
        Whether barriers are events, and exception entries and returns, which are written as ISB.
    alone : bool
        Whether it is the machine's only vCPU. Then the trace has its TLB invalidations, too: a trace has none that
        concern one core alone, nor does one vCPU follow how far another one's mappings have ended.
    bare : bool
        Whether there is no hypervisor, which would map the memory, too. If the vCPU is alone as well, a DSB of the
        non-shareable domain is as good as any.
    additions : Additions or None
        Operations that are added to its code.

    Attributes
    ----------
    name : str
        Its name in the trace.
    agents : tuple of str
        The agents that it is in the trace: see `coldline.events.agent_names`.
    """

    def __init__(
        self,
        number: int,
        ram: Sequence[tuple[int, memoryview]],
        core: Core,
        registers: "Registers",
        *,
        exception_level: int,
        bus: Bus,
        flash: int,
        stage2: int,
        instructions: bool,
        orders: bool,
        alone: bool = True,
        bare: bool = False,
        additions: Additions | None = None,
    ) -> None:
        self.number = number
        self._followed = (0, 0, 0)
        self._orders = orders
        self.name = vcpu_name(number)
        self.agents = agents_of(self.name)
        self.core_state = _CORE_STATES[core.architecture](core.emulated_by, exception_level)
        self.emulator = self.core_state.emulator
        operations = {**self.core_state.OPERATIONS, **(self.core_state.BARRIERS if orders else {})}
        self.state = State(ram, instructions=instructions, maintenance=operations, stage2=stage2)
        self.state["orders"] = self.state["two_types"] = orders
        self.state["sole_observer"] = alone and bare
        self.state["ends_at_barriers"] = orders
        self.state["tells_endings"] = orders and alone and not self.state["silent"]
        self.state["el"] = exception_level
        self.state["has_el2"] = exception_level >= 2
        self.state["upgrades"] = exception_level == 1
        self.state["line"] = core.line
        self.state["mpidr"] = _RES1 | number
        self.code = Callbacks(self.state, self.core_state.PROGRAM)
        self.state["flash_pages"] = sum(len(buffer) for _, buffer in ram[:flash]) // PAGE_SIZE
        for index, ((base, _), array) in enumerate(zip(ram, self.state.view.ram, strict=True)):
            taken = const.UC_PROT_WRITE if index < flash else 0
            for tag in range(TAGS):
                self._map(base, tag, array, const.UC_PROT_ALL & ~taken)
                if tag:
                    self._map(base, tag | DATA_TAG, array, _READ_AND_WRITE & ~taken)
        for base, size in bus.regions:
            self._add(bus, base, size)
        self.core_state.bind(self.state, self.code)
        if additions is not None:
            self._add_operations(additions)
        self.core_state.offer_granules(core.granules)
        self.core_state.reset(registers)
        if not self.state["silent"]:
            # The vCPU starts with the MMU and both caches off; a trace must say so.
            self.state["introduced"] = 1
            start = registers.sctlr & ~Sctlr.M.mask
            self.code.switch(start, start ^ (Sctlr.C.mask | Sctlr.I.mask))
        offset = skip_sync_offset(core.architecture)
        self._keeps_counter = keeps_counter(core.architecture)
        if offset is not None:
            self.state["skip_sync"] = engine_address(self.emulator) + offset
        self.state["locates"] = instructions
        self.state["looks_up"] = instructions and not self._keeps_counter

    def _add_operations(self, additions: Additions) -> None:
        rows, state = additions.rows(self.number), self.state
        if rows:
            state.use("addition_rows", rows)
            state.use("addition_records", additions.records)
            state.use("addition_events", additions.events)
            state["additions"] = len(rows) // ROW.size
        for pc in additions.pcs(self.number):
            state["addition_pages"] |= 1 << (pc // PAGE_SIZE % 64)
            self.core_state.hook(const.UC_HOOK_CODE, "on_place", at=pc)

    def _map(self, base: int, tag: int, ram: memoryview, protection: int) -> None:
        self.emulator.mem_map_ptr(base | tag << TAG_SHIFT, len(ram), protection, address_of(ram))

    def _add(self, bus: Bus, base: int, size: int) -> None:
        def read(_: Any, offset: int, size: int, __: Any) -> int:
            if not bus.is_steady(base + offset):
                self.state["effects"] += 1
            return bus.read(base + offset, size, self.core_state.pc)

        def write(_: Any, offset: int, size: int, value: int, __: Any) -> None:
            bus.write(base + offset, size, value)

        self.emulator.mmio_map(base, size, read, None, write, None)

    def locate(self, wanted: bool, events: int | None) -> None:
        """Find the instructions of a number of events to come, None for all, or do not.

        The vCPU was made for events with instructions, and has no events yet that were not handed over. It stops
        after at most so many.
        """
        self.state.events.locate(wanted, events)
        self.state["looks_up"] = wanted and not self._keeps_counter

    def hand_over(self, sink: Sink) -> None:
        """Hand its events so far to `sink`, except for a change of an alias that is held back."""
        state = self.state
        if state["fill"] != state["loop_fill"]:
            state["loop_head"], state["polling"] = NOWHERE, 0
        state["handed_over"] += state["count"]
        state.events.hand_over(sink, self.agents, self.code.unpack)
        for each in ("loop_fill", "loop_count", "loop_before_fill", "loop_before_count"):
            state[each] = 0

    def has_caches_on(self) -> bool:
        """Return whether the MMU and the data cache are on, at the present exception level."""
        sctlr = self.state.view.register("sctlr", max(1, self.state["el"]))
        return sctlr & _BOTH == _BOTH

    def follow_others(self, others: "Sequence[Vcpu]") -> bool:
        """Follow what other vCPUs have done to its live tables and its TLB since the last call.

        A leaf that another one has added counts from now on. One that it has removed counts until a TLB invalidation
        of its own, or one that another vCPU broadcasts.

        Returns
        -------
        bool
            Whether its tables were read again, which may have made events.
        """
        stores, broadcasts, completed = (
            sum(each.state[name] for each in others)
            for name in (
                "table_stores",
                "broadcasts",
                "completed_broadcasts" if self._orders else "broadcasts",
            )
        )
        before, self._followed = self._followed, (stores, broadcasts, completed)
        if before == self._followed:
            return False
        if broadcasts != before[1]:
            self.state.view.forget_translations()
            self.emulator.ctl(const.UC_CTL_TLB_FLUSH, const.UC_CTL_IO_WRITE)
        if not self.state["virtual"]:
            return False
        invalidated = completed != before[2]
        self.code.rescan(keeps=not invalidated or any(each.state["unbroadcast"] for each in others))
        return True

    def know(self, others: "Sequence[Vcpu]") -> None:
        """Have its stores to the others' live tables noticed."""
        self.state["several"] = bool(others)
        last = others[-MAX_PEERS:]  # those before were turned off
        self.state["peers"] = len(last)
        for index, each in enumerate(last):
            self.state.set_item("peer_marks", index, each.state["marks"])

    def forget_code(self) -> None:
        """Have the emulator translate code again, as it does not notice other vCPUs' stores to code."""
        self.emulator.ctl_flush_tb()

    def follow_switch(self, caches_toggled: Callable[[int, bool], None], flush: Callable[[], None]) -> bool:
        """Follow a write of a register that decides accesses' types.

        Parameters
        ----------
        caches_toggled : callable
            See `Listener`.
        flush : callable
            Hands over the events so far, so that the host's come after them.

        Returns
        -------
        bool
            Whether the MMU was turned on.
        """
        changed = self.core_state.learn_registers()
        before, sctlr = changed.get("sctlr", (0, 0))
        if (sctlr ^ before) & _BOTH:
            flush()
            caches_toggled(self.number, sctlr & _BOTH == _BOTH)
        turned_on = follow_registers(
            self.state, self.state.view, self.code, changed, remaps=self.core_state.REMAPS
        )
        self.state["sweep"] = 0
        self.emulator.ctl(const.UC_CTL_TLB_FLUSH, const.UC_CTL_IO_WRITE)
        return turned_on
