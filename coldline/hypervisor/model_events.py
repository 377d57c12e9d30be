# SPDX-License-Identifier: GPL-2.0-or-later
"""Records what a host does to guest memory by its model, as events, from building a guest to destroying it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from coldline.arm import MemoryType
from coldline.events import Event, Op, Recorder
from coldline.events.agent_names import vcpu_name
from coldline.events.op import Kind
from coldline.hypervisor.alias_events import AliasRecorder
from coldline.hypervisor.model import AliasLifetime, HostModel, HostRule

Ranges = Sequence[tuple[int, int]]
"""Pairs of an address and a size, in bytes."""


class RangeLike(Protocol):
    """Anything with a base and a size, in bytes: the banks of every back end."""

    @property
    def base(self) -> int:
        """Address of the first byte."""

    @property
    def size(self) -> int:
        """Size in bytes."""


class HostEvents:
    """Records what a host does by its model, in addition to what the builder itself does.

    The simulated host and the recorder of a real host call it for everything that they do to a guest. Each event
    covers a whole range, and is recorded when the operation is done.

    Parameters
    ----------
    model : HostModel
        The host model.
    record : Recorder
        Receives the events.
    flash : sequence of (address, size)
        The memory that is flash. Without a hypervisor nobody writes it before the guest runs, and its lines hold
        nothing but what it holds, so nothing is recorded there.
    cores : int
        The number of the guest's cores, if the trace has an order: then the host's barriers are recorded, too. If it
        is 0, everything takes effect at once, and there is one instruction cache.
    """

    def __init__(self, model: HostModel, record: Recorder, flash: Ranges = (), cores: int = 0) -> None:
        self._model = model
        self._record = record
        self._flash = () if model.has_strategies else tuple(flash)
        self._aliases = AliasRecorder(model, record, max(cores, 1))
        self._orders = cores > 0

    def populated(self, address: int, size: int) -> None:
        """Record that a guest is given RAM."""
        if self._is_flash(address):
            return
        self._aliases.begin(AliasLifetime.BEFORE, address, size)
        self._aliases.end(AliasLifetime.BEFORE, address, size)
        self._aliases.begin(AliasLifetime.ALWAYS, address, size)
        if self._model.allocation is not None:
            self._carry_out(self._model.allocation, [(address, size)])
        self._aliases.begin(AliasLifetime.WHILE_ALLOCATED, address, size)
        if self._model.leaves_junk:
            self._leave_junk(address, size)
        self._aliases.begin(AliasLifetime.UNTIL_START, address, size)

    def _leave_junk(self, address: int, size: int) -> None:
        """Record writes after which any line may be dirty, and every copy of it, memory's as well, is as good.

        Nobody needs what was there, so no read of it is wrong before the guest has written it; after that, the line
        can still overwrite it. The write-back write alone would make memory's copy stale, and a non-cacheable write
        after it the caches'. A write-through write makes no copy stale but the instruction caches', and leaves a
        dirty line dirty.
        """
        agent = self._model.builder_agent
        for memory_type in (MemoryType.NORMAL_WB, MemoryType.NORMAL_WT):
            self._record(Event(agent, Op.MAP, address, size, memory_type))
            self._record(Event(agent, Op.WRITE, address, size))
            self._record(Event(agent, Op.UNMAP, address, size))

    def _is_flash(self, address: int) -> bool:
        return any(base <= address < base + size for base, size in self._flash)

    def mapped(self, address: int, size: int, memory_type: MemoryType) -> None:
        """Record that the builder maps guest memory: a part of its own mapping, if that outlives the build."""
        if not self._model.builder_mapping_outlives_build:
            self._aliases.begin(AliasLifetime.WHILE_MAPPED, address, size)
            self._record(Event(self._model.builder_agent, Op.MAP, address, size, memory_type))

    def builder_did(self, op: Op, address: int, size: int) -> None:
        """Record that the builder writes, or maintains, through its mapping."""
        if self._is_flash(address):
            return
        self._record(Event(self._model.builder_agent, op, address, size))
        if op.kind is Kind.MAINTENANCE:
            self._complete(self._model.builder_agent)
        if op is Op.WRITE and self._model.load is not None:
            self._carry_out(self._model.load, [(address, size)])

    def unmapped(self, address: int, size: int) -> None:
        """Record that the builder unmaps guest memory."""
        if not self._model.builder_mapping_outlives_build:
            self._record(Event(self._model.builder_agent, Op.UNMAP, address, size))
            self._aliases.end(AliasLifetime.WHILE_MAPPED, address, size)
            self._complete(self._model.builder_agent)

    def flushed(self, address: int, size: int) -> None:
        """Record that the hypervisor maintains guest RAM, by a call."""
        if self._model.flush is not None:
            self._carry_out(self._model.flush, [(address, size)])

    def started(self, banks: Iterable[RangeLike], *, maintained: bool) -> None:
        """Record that a guest runs for the first time, on its vCPU 0.

        `maintained` says whether the host maintains its RAM first, by its `first_run` rule.
        """
        banks = list(banks)
        if self._model.first_run is not None and maintained:
            for bank in banks:
                self._carry_out(self._model.first_run, [(bank.base, bank.size)])
        for bank in banks:
            self._aliases.end(AliasLifetime.UNTIL_START, bank.base, bank.size)
            if not self._is_flash(bank.base):
                self._aliases.begin(AliasLifetime.AT_START, bank.base, bank.size)
                self._aliases.end(AliasLifetime.AT_START, bank.base, bank.size)
        self._complete(self._model.builder_agent)
        self.vcpu_started(0, banks)

    def vcpu_started(self, vcpu: int, banks: Iterable[RangeLike]) -> None:
        """Record that a vCPU runs for the first time, with its MMU off; its core enters it by an exception return.

        Under forced write-back its MMU changes no memory type: from here on all RAM is mapped write-back and
        executable for it, and its own mappings add nothing to the trace.
        """
        if self._model.forced_write_back:
            for bank in banks:
                self._record(Event(vcpu_name(vcpu), Op.MAP, bank.base, bank.size, MemoryType.NORMAL_WB, True))
        else:
            self._record(Event(vcpu_name(vcpu), Op.MMU_OFF))
        if self._orders:
            self._record(Event(vcpu_name(vcpu), Op.ISB))

    def _complete(self, agent: str) -> None:
        """Record the DSB of an agent of the host, if the trace has an order.

        Every function that maintains caches by range ends with one, and so does every TLB invalidation: xen
        xen/include/asm-arm/page.h clean_and_invalidate_dcache_va_range, xen/include/asm-arm/arm64/page.h
        invalidate_icache (4.17); linux arch/arm64/mm/cache.S dcache_clean_inval_poc, icache_inval_pou,
        arch/arm64/include/asm/tlbflush.h flush_tlb_range (6.1.192); u-boot 0ae7653128c8 arch/arm/cpu/armv8/cache.S
        __asm_flush_dcache_range. A vCPU that starts on another core does so after the host's `dsb`, too: linux
        arch/arm64/kernel/process.c __switch_to, "Complete any pending TLB or cache maintenance on this CPU in case
        the thread migrates to a different CPU".
        """
        if self._orders:
            self._record(Event(agent, Op.DSB))

    def maintained(self, used: Ranges) -> None:
        """Record the host's maintenance of used pages, after a vCPU switched its caches or maintained by set/way.

        Pages that the guest has not used have no valid entry in stage 2, and the host skips them.
        """
        assert self._model.set_way is not None
        self._carry_out(self._model.set_way, used)

    def stopped(self, banks: Iterable[RangeLike], vcpus: Iterable[int] = (0,)) -> None:
        """Record that the vCPUs of a guest that ran will not run again."""
        banks = list(banks)
        if self._model.forced_write_back:
            for vcpu in vcpus:
                for bank in banks:
                    self._record(Event(vcpu_name(vcpu), Op.UNMAP, bank.base, bank.size))

    def freed(self, bank: RangeLike) -> None:
        """Record that a guest's RAM is taken from it."""
        self._aliases.end(AliasLifetime.UNTIL_START, bank.base, bank.size)
        self._aliases.end(AliasLifetime.WHILE_ALLOCATED, bank.base, bank.size)
        self._aliases.end(AliasLifetime.ONCE_USED, bank.base, bank.size)

    def _carry_out(self, rule: HostRule, ranges: Ranges) -> None:
        for address, size in ranges:
            self._aliases.begin(AliasLifetime.ONCE_USED, address, size)
        for step in rule.steps:
            if not step.has_range:
                self._record(Event(rule.agent, step))
            for address, size in ranges if step.has_range else ():
                if step is Op.WRITE:
                    self._aliases.begin(AliasLifetime.DURING_SCRUB, address, size)
                self._record(Event(rule.agent, step, address, size))
                if step is Op.WRITE:
                    self._aliases.end(AliasLifetime.DURING_SCRUB, address, size)
            if step.kind is Kind.MAINTENANCE:
                self._complete(rule.agent)
