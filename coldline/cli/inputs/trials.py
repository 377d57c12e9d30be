# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns arguments into a planned guest and a trial of it on the emulator."""

import argparse
from typing import TYPE_CHECKING

from coldline.builder import strategy_for
from coldline.cli.arguments.profile import given_switches
from coldline.cli.inputs.guests import core_of, read_guest
from coldline.errors import PlanError, UsageError
from coldline.events.batch import Batch
from coldline.events.source import Sink
from coldline.frontends.unicorn import End, Outcome, Until
from coldline.frontends.unicorn.follower import Follower
from coldline.frontends.unicorn.pc_sync import keeps_counter
from coldline.frontends.unicorn.turns import Turns, random_turns, round_robin
from coldline.guest import Plan, make_plan
from coldline.hypervisor.models import host_model
from coldline.image import Kernel
from coldline.jit import programs
from coldline.simulation import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from coldline.events.footprints import EventRanges

_LONGEST_TEXT = 1000


def plan_guest(options: argparse.Namespace) -> tuple[Kernel, Plan]:
    """Load and plan the guest that the arguments ask for.

    Raises
    ------
    ColdlineError
        If an argument or a file is wrong.
    """
    kernel, guest = read_guest(options)
    core = core_of(options, kernel.architecture)
    if kernel.page_size is not None and kernel.page_size not in core.granules:
        raise PlanError(
            f"{kernel.path} is built for pages of {kernel.page_size >> 10} KiB, which {core.name} does not have"
        )
    return kernel, make_plan(kernel, guest)


def programs_of(plan: Plan) -> tuple[str, ...]:
    """The programs (`coldline.jit.programs`) that a trial of a plan takes."""
    return programs.CALLBACKS[plan.architecture], programs.CHECK, programs.SELECT


def until_of(options: argparse.Namespace, *, bare: bool = False) -> Until:
    """The condition of ``--until`` that ends a run.

    The first PSCI call of a kernel, VERSION, comes when the kernel has set itself up. A program or firmware, which is
    `bare`, goes on after such a call, and after those that start other vCPUs.
    """
    word = options.until
    if word in (None, "psci"):
        limit = options.max_instructions
        return Until(End.PSCI, limit=limit, required=word is not None, questions=not bare)
    if word in ("mmu", "off"):
        return Until(End(word), limit=options.max_instructions)
    kind, colon, text = word.partition(":")
    if kind == "console" and colon:
        if not 0 < len(text) <= _LONGEST_TEXT:
            raise UsageError(f"--until console:TEXT takes a TEXT of 1 to {_LONGEST_TEXT} characters")
        printed = text.encode("utf-8", "surrogateescape")
        return Until(End.CONSOLE, limit=options.max_instructions, text=printed)
    if not word.isascii() or not word.isdigit() or not 0 < int(word[:19]) < 1 << 62:
        raise UsageError(
            f"--until takes mmu, psci, off, console:TEXT or a number of instructions, not '{word}'"
        )
    return Until(End.LIMIT, limit=int(word))


def turns_of(options: argparse.Namespace) -> Turns:
    """Return the schedule that ``--schedule`` asks for.

    Raises
    ------
    UsageError
        If there is no such schedule.
    """
    kind, _, number = options.schedule.partition(":")
    if number.isascii() and number.isdigit() and int(number[:19]) < 1 << 62:
        if kind == "rr" and int(number[:19]) > 0:
            return round_robin(int(number[:19]))
        if kind == "random":
            return random_turns(int(number[:19]))
    raise UsageError(f"--schedule takes rr:N or random:SEED, not '{options.schedule}'")


def trial_of(
    options: argparse.Namespace, plan: Plan, strategy: str | None, host: str, *, bare: bool = False
) -> Trial:
    """A trial of `plan` by the named strategy, None where there is none, on the named host model.

    `bare` says that the guest is a program or firmware: see `until_of`.

    Raises
    ------
    UsageError
        If there is no such strategy or host, or they do not go with the guest.
    """
    model = host_model(host)
    if strategy is not None:
        strategy_for(strategy, plan.architecture)
    if plan.architecture not in model.architectures:
        runs = " and ".join(model.architectures)
        raise UsageError(f"host {model.name} runs {runs} guests, not {plan.architecture}")
    core = core_of(options, plan.architecture)
    return Trial(
        plan=plan,
        strategy=strategy,
        model=model,
        core=core,
        until=until_of(options, bare=bare),
        turns=turns_of(options),
        all_start=options.secondary == "start",
        options=given_switches(options),
        order=options.order or core.permits_all,
    )


class TrialRun:
    """A trial as a `Source` that shows its progress; `also` gets each batch before the sink."""

    repeatable = True

    def __init__(
        self,
        trial: Trial,
        progress: "Callable[[int, int], None]" = lambda instructions, accesses: None,
        console: "Callable[[bytes], None]" = lambda text: None,
        also: Sink | None = None,
        follower: Follower | None = None,
    ) -> None:
        self.outcome = Outcome()
        self._trial, self._progress, self._console, self._also = trial, progress, console, also
        self._follower = follower
        self._located: EventRanges | None = None

    @property
    def locates_slowly(self) -> bool:
        """See `Locating`."""
        return not keeps_counter(self._trial.plan.architecture)

    def locate_at(self, ranges: "EventRanges") -> None:
        """See `Locating`."""
        self._located = ranges

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`."""

        def both(batch: Batch) -> None:
            if self._also is not None:
                self._also(batch)
            sink(batch)

        def update(executed: int, accesses: int) -> None:
            self.outcome = Outcome(instructions=executed, accesses=accesses)  # for an interrupt
            self._progress(executed, accesses)

        self.outcome = self._trial.run(
            both,
            instructions=instructions,
            located=self._located,
            console=self._console,
            progress=update,
            follower=self._follower,
        )
