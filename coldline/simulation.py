# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest, built on one simulated host, by one strategy if it has any, and run: a source of events.

Every run of a trial gives the same events. A check that needs the events again, for the story of a hazard, runs the
trial again instead of keeping gigabytes of events.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from coldline.arm.cores import Core
from coldline.arm.stage2 import FORCED_WB, STAGE2_NORMAL_WB
from coldline.builder import build_domain, strategy_of_loader
from coldline.events import Event
from coldline.events.batch import Batch
from coldline.events.source import Sink
from coldline.frontends.unicorn import Boot, Listener, Outcome, Until
from coldline.frontends.unicorn.additions import Addition, Additions
from coldline.frontends.unicorn.follower import Follower
from coldline.frontends.unicorn.turns import DEFAULT_TURNS, Turns
from coldline.guest import Plan
from coldline.hypervisor.cores import agents_by_core
from coldline.hypervisor.model import HostModel
from coldline.hypervisor.simulated import SimulatedHost
from coldline.rules import Profile
from coldline.rules.order.ordering import CoreAgents, Ordering

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A guest, a strategy, a host and a core: a `Source` of their events.

    Attributes
    ----------
    plan : Plan
        The guest.
    strategy : str or None
        The builder's strategy: a name of `coldline.builder.STRATEGIES`. None on a host model without strategies.
    model : HostModel
        The host model.
    core : Core
        The core profile.
    until : Until
        The condition that ends the run.
    turns : callable
        The order in which the vCPUs run.
    all_start : bool
        Whether all vCPUs start at the entry, as on a machine without PSCI; else the guest starts the others.
    options : tuple of str
        Further switches of the profile that are on: names of `coldline.rules.profile.SWITCHES`.
    order : bool
        Whether the run's cores and barriers are events, so that what a core does completes at its own barriers.
    additions : tuple of Addition
        Operations that are added to the guest's code.
    until_events : tuple of int
        For each addition, how many events its core has had when its place is no longer counted; empty for no limit.
    """

    plan: Plan
    strategy: str | None
    model: HostModel
    core: Core
    until: Until
    turns: Turns = DEFAULT_TURNS
    all_start: bool = False
    options: tuple[str, ...] = ()
    order: bool = False
    additions: tuple[Addition, ...] = ()
    until_events: tuple[int, ...] = ()

    @property
    def profile(self) -> Profile:
        """The promises about caches: the core's, those that the host model's features imply, and `options`."""
        own = (("idc", self.core.idc), ("dic", self.core.dic), ("nc-may-hit", self.core.permits_all))
        promised = [name for name, on in own if on]
        profile = Profile.with_options((*promised, *self.model.options, *self.options), self.core.line)
        if not self.order:
            return profile
        cores = agents_by_core(self.model, self.plan.vcpus)
        named = tuple(CoreAgents(*each) for each in cores.items())
        ordering = Ordering(named, barriers=True, nc_fetch_held=self.core.permits_all)
        return replace(profile, ordering=ordering)

    @property
    def repeatable(self) -> bool:
        """See `Source.repeatable`."""
        return True

    def run(
        self,
        sink: Sink,
        *,
        instructions: bool = False,
        console: "Callable[[bytes], None]" = lambda text: None,
        progress: "Callable[[int, int], None]" = lambda instructions, accesses: None,
        follower: Follower | None = None,
    ) -> Outcome:
        """Build the guest, run it, destroy it; hand every event to `sink`.

        Parameters
        ----------
        sink : callable
            Takes the events.
        instructions : bool
            Whether the guest's events have `Batch.instructions`.
        console : callable
            Takes what the guest prints.
        progress : callable
            Called now and then with the numbers of instructions and accesses.
        follower : Follower, optional
            Who follows the run.

        Raises
        ------
        HypervisorError
            If the host model refuses the strategy.
        GuestError
            If the guest does something after which the run cannot continue.
        """
        follower = follower or Follower()
        recorder = _Recorder(sink, follower)
        additions = None
        if self.additions:
            additions = Additions(self.additions, until=self.until_events, orders=self.order)
        flash = [(bank.base, bank.size) for bank in self.plan.banks if bank.flash]
        host = SimulatedHost(self.model, recorder.record, flash, cores=self.plan.vcpus if self.order else 0)
        recorder.host = host
        how = self.strategy if self.strategy is not None else strategy_of_loader(self.model.mapping_types[0])
        domain = build_domain(self.plan, how, host)
        try:
            host.unpause(domain)

            def toggled(vcpu: int, enabled: bool) -> None:
                host.guest_caches_toggled(domain, vcpu, enabled=enabled, used=boot.used())

            def set_way(vcpu: int) -> None:
                host.guest_maintained_by_set_way(domain, vcpu, used=boot.used())

            def vcpu_started(vcpu: int) -> None:
                host.guest_started_vcpu(domain, vcpu)

            first = [self.plan.registers] * (self.plan.vcpus if self.all_start else 1)
            for vcpu in range(1, len(first)):
                vcpu_started(vcpu)
            boot = Boot(
                [(bank.base, bank.buffer) for bank in domain.banks],
                first,
                self.core,
                Listener(
                    events=recorder.after_flush,
                    vcpu_started=vcpu_started,
                    caches_toggled=toggled,
                    set_way=set_way,
                    console=console,
                    progress=progress,
                ),
                exception_level=self.plan.exception_level,
                layout=self.plan.layout,
                flash=sum(bank.flash for bank in self.plan.banks),
                stage2=FORCED_WB if self.model.forced_write_back else STAGE2_NORMAL_WB,
                instructions=instructions,
                orders=self.order,
                bare=not self.model.has_strategies,
                turns=self.turns,
                vcpus=self.plan.vcpus,
                additions=additions,
                follower=follower,
            )
            outcome = boot.run(self.until)
            follower.ended(boot.used())
            outcome.reached = additions.reached() if additions is not None else ()
            recorder.flush()
        finally:
            # The host's events of destroying the guest are not part of the trial.
            recorder.close()
            host.destroy(domain)
        return outcome


class _Recorder:
    """Passes on the host's events, which come one by one, and the guest's batches, in their order."""

    def __init__(self, sink: Sink, follower: Follower) -> None:
        self._sink, self._follower = sink, follower
        self._waiting: list[Event] = []
        self._open = True
        self.host: SimulatedHost | None = None

    def record(self, event: Event) -> None:
        if self._open:
            self._waiting.append(event)
            self._follower.host_did(event, self._ram)

    def _ram(self, address: int, size: int) -> bytes:
        """The bytes of the guest's RAM at an address; none where it has none yet."""
        for domain in self.host.domains if self.host is not None else ():
            bank = domain.bank_of(address, size)
            if bank is not None:
                return bytes(bank.buffer[address - bank.base : address - bank.base + size])
        return b""

    def flush(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._sink(Batch.of(waiting))

    def after_flush(self, batch: Batch) -> None:
        self.flush()
        self._follower.handed_over(batch)
        self._sink(batch)

    def close(self) -> None:
        self._open = False
