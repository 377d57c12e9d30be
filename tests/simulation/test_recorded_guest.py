# SPDX-License-Identifier: GPL-2.0-or-later
"""A recorded guest, built by each strategy on each host, has the events that a boot of its own has."""

import threading
from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
from coldline.arm.cores import CORES
from coldline.builder import STRATEGIES
from coldline.errors import HypervisorError
from coldline.events.batch import Batch
from coldline.frontends.unicorn import End, Until
from coldline.guest import GuestOptions, Plan, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.image import load_kernel
from coldline.recorded_guest import RecordedGuest, guest_of
from coldline.samples import sample
from coldline.simulation import Trial

MEMORY = 16 << 20
RAM = 0x4000_0000
SECOND = 0x80
PSCI_CPU_ON = 0xC400_0003
SETS_AND_WAYS = a64.code(
    a64.mov(1, RAM + 0x10_0000),
    [a64.store(1, 1)],
    a64.sys("dc cisw", 2),
    [a64.b(1)],
    a64.mov(1, RAM + 0x20_0000),
    [a64.store(1, 1)],
    a64.sys("dc cisw", 2),
    [a64.b(1)],
    a64.off(),
)


_FIRST = a64.code(
    a64.mov(0, PSCI_CPU_ON),
    a64.mov(1, 1),
    a64.mov(2, a64.ENTRY + SECOND),
    a64.mov(3, 0),
    [a64.HVC],
    [a64.b(0)],
)
TWO_CORES = a64.code(
    _FIRST,
    [a64.NOP] * (SECOND // 4 - len(_FIRST)),
    a64.mov(1, RAM + 0x10_0000),
    [a64.store(1, 1)],
    a64.off(),
)
"""The first core starts the second one, which turns the guest off."""

GUESTS = ("midway-arm64", "midway-arm32", "sets and ways", "two cores")


def plan_of(guest: str, folder: Path) -> Plan:
    if guest.startswith("midway"):
        return make_plan(load_kernel(sample(guest).image), GuestOptions(memory=MEMORY))
    path = folder / "Image"
    path.write_bytes(a64.image(SETS_AND_WAYS if guest == "sets and ways" else TWO_CORES))
    vcpus = 2 if guest == "two cores" else 1
    return make_plan(load_kernel(str(path)), GuestOptions(memory=MEMORY, vcpus=vcpus))


class Events:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __call__(self, batch: Batch) -> None:
        self.found += [str(batch.event(index)) for index in range(len(batch))]


@pytest.mark.parametrize("order", [False, True], ids=["", "order"])
@pytest.mark.parametrize("guest", GUESTS)
def test_its_events_are_those_of_a_boot(guest: str, order: bool, tmp_path: Path) -> None:
    plan = plan_of(guest, tmp_path)
    core = CORES["cortex-a15" if plan.architecture == "arm32" else "cortex-a57"]
    recorded: dict[tuple[bool, bool], RecordedGuest] = {}
    compared, agents = 0, set[str]()
    for model in HOST_MODELS.values():
        for strategy, known in STRATEGIES.items():
            architectures = (*model.architectures, *known.architectures)
            if not model.has_strategies or architectures.count(plan.architecture) < 2:
                continue
            trial = Trial(
                plan=plan,
                strategy=strategy,
                model=model,
                core=core,
                until=Until(End.OFF, 100_000),
                order=order,
            )
            alone, replayed = Events(), Events()
            try:
                outcome = trial.run(alone)
            except HypervisorError as error:
                with pytest.raises(HypervisorError, match=f"^{error}$"):
                    (recorded[guest_of(trial)] if guest_of(trial) in recorded else RecordedGuest(trial)).run(
                        trial, replayed
                    )
                continue
            if guest_of(trial) not in recorded:
                recorded[guest_of(trial)] = RecordedGuest(trial)
            kept = recorded[guest_of(trial)]
            for _ in range(2):
                replayed.found.clear()
                kept.run(trial, replayed)
                assert replayed.found == alone.found
            assert (kept.outcome.end, kept.outcome.instructions) == (outcome.end, outcome.instructions)
            compared += 1
            agents |= {event.split()[0] for event in alone.found}
    assert compared >= 10
    assert len(recorded) <= 2
    assert ("guest1" in agents) == (guest == "two cores")


def test_trials_of_one_host_at_once_in_one_thread(tmp_path: Path) -> None:
    plan = plan_of("sets and ways", tmp_path)
    model, core = HOST_MODELS["kvm-arm64"], CORES["cortex-a57"]
    until = Until(End.OFF, 100_000)
    strategies = [each for each in STRATEGIES.values() if "arm64" in each.architectures]
    trials = [
        Trial(plan=plan, strategy=each.name, model=model, core=core, until=until) for each in strategies
    ]
    kinds = ["run" if each.mapping_type in model.mapping_types else "refused" for each in strategies]
    threads: set[int] = set()

    class Noting(Events):
        def __call__(self, batch: Batch) -> None:
            if len(batch) > 1:  # the build is in the caller's thread
                threads.add(threading.get_ident())
            super().__call__(batch)

    with RecordedGuest(trials[0]) as guest:
        sinks = [Noting() for _ in trials]
        refusals = guest.run_each(trials, sinks)
        assert len(threads) == 1
        assert ["refused" if refusal else "run" for refusal in refusals] == kinds
        for trial, sink, kind in zip(trials, sinks, kinds, strict=True):
            alone = Events()
            if kind == "run":
                guest.run(trial, alone)
            assert sink.found == alone.found
    assert kinds.count("run") == 3
