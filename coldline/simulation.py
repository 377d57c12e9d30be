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
from coldline.hypervisor.model_events import Ranges
from coldline.hypervisor.simulated import SimulatedHost
from coldline.rules import Profile
from coldline.rules.order.ordering import CoreAgents, Ordering

if TYPE_CHECKING:
    from collections.abc import Callable

    from coldline.events.footprints import EventRanges


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
    at_fetches : tuple of int
        For each addition `additions.FETCH_AT`; empty if all places say which time it is.
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
    at_fetches: tuple[int, ...] = ()

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
        located: "EventRanges | None" = None,
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
        located : EventRanges, optional
            The events of which they are wanted; by default all.
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
        return self.run_on(
            HostSide(self, sink, follower),
            instructions=instructions,
            located=located,
            console=console,
            progress=progress,
        )

    def run_on(
        self,
        host: "HostSide",
        *,
        instructions: bool = False,
        located: "EventRanges | None" = None,
        console: "Callable[[bytes], None]" = lambda text: None,
        progress: "Callable[[int, int], None]" = lambda instructions, accesses: None,
    ) -> Outcome:
        """As `run`, on a host of this trial, which hands over the events."""
        additions = None
        if self.additions:
            additions = Additions(
                self.additions, until=self.until_events, fetches=self.at_fetches, orders=self.order
            )
        with host:
            boot = Boot(
                host.ram,
                [self.plan.registers] * host.first_vcpus,
                self.core,
                Listener(
                    events=host.guest_did,
                    vcpu_started=host.vcpu_started,
                    caches_toggled=lambda vcpu, enabled: host.caches_toggled(vcpu, enabled, boot.used()),
                    set_way=lambda vcpu: host.set_way(vcpu, boot.used()),
                    console=console,
                    progress=progress,
                ),
                exception_level=self.plan.exception_level,
                layout=self.plan.layout,
                flash=sum(bank.flash for bank in self.plan.banks),
                stage2=FORCED_WB if self.model.forced_write_back else STAGE2_NORMAL_WB,
                instructions=instructions,
                located=located,
                orders=self.order,
                bare=not self.model.has_strategies,
                turns=self.turns,
                vcpus=self.plan.vcpus,
                additions=additions,
                follower=host.follower,
            )
            outcome = boot.run(self.until)
            host.follower.ended(boot.used())
            if additions is not None:
                outcome.reached, outcome.nth = additions.reached(), additions.nth()
            host.flush()
        return outcome


class HostSide:
    """The host of one trial, which builds the guest and then answers what it does; a context manager.

    Parameters
    ----------
    trial : Trial
        The trial.
    sink : callable
        Takes the events of the host and of the guest, in their order.
    follower : Follower, optional
        Who follows the run.
    """

    def __init__(self, trial: Trial, sink: Sink, follower: Follower | None = None) -> None:
        self.follower = follower or Follower()
        self.first_vcpus = trial.plan.vcpus if trial.all_start else 1
        self._trial = trial
        self._recorder = _Recorder(sink, self.follower)

    def __enter__(self) -> "HostSide":
        """Build the guest.

        Raises
        ------
        HypervisorError
            If the host model refuses the strategy.
        """
        trial, recorder = self._trial, self._recorder
        flash = [(bank.base, bank.size) for bank in trial.plan.banks if bank.flash]
        cores = trial.plan.vcpus if trial.order else 0
        self._host = recorder.host = SimulatedHost(trial.model, recorder.record, flash, cores=cores)
        how = (
            trial.strategy if trial.strategy is not None else strategy_of_loader(trial.model.mapping_types[0])
        )
        self._domain = build_domain(trial.plan, how, self._host)
        try:
            self._host.unpause(self._domain)
            for vcpu in range(1, self.first_vcpus):
                self.vcpu_started(vcpu)
        except BaseException:
            self._destroy()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._destroy()

    @property
    def ram(self) -> list[tuple[int, memoryview]]:
        """The guest's RAM: where it is, and the bytes."""
        return [(bank.base, bank.buffer) for bank in self._domain.banks]

    def guest_did(self, batch: Batch) -> None:
        """Take events of the guest."""
        self._recorder.after_flush(batch)

    def vcpu_started(self, vcpu: int) -> None:
        """See `SimulatedHost.guest_started_vcpu`."""
        self._host.guest_started_vcpu(self._domain, vcpu)

    def caches_toggled(self, vcpu: int, enabled: bool, used: Ranges) -> None:
        """See `SimulatedHost.guest_caches_toggled`."""
        self._host.guest_caches_toggled(self._domain, vcpu, enabled=enabled, used=used)

    def set_way(self, vcpu: int, used: Ranges) -> None:
        """See `SimulatedHost.guest_maintained_by_set_way`."""
        self._host.guest_maintained_by_set_way(self._domain, vcpu, used=used)

    def flush(self) -> None:
        """Hand over the host's events so far."""
        self._recorder.flush()

    def _destroy(self) -> None:
        """Destroy the guest. The host's events of that are not part of the trial."""
        self._recorder.close()
        self._host.destroy(self._domain)


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
