# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline boot``."""

import argparse
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from coldline import verdict
from coldline.cli.injecting import inject, injected_of, missing_cause
from coldline.cli.inputs.added_operations import added_operations, additions_of, not_added
from coldline.cli.inputs.guest_symbols import code_segments, find_in_memory, symbols_of
from coldline.cli.inputs.hosts import host_of, is_bare, strategy_of
from coldline.cli.inputs.trials import TrialRun, plan_guest, programs_of, trial_of
from coldline.cli.outputs import Outputs
from coldline.cli.progress import Following, Progress
from coldline.cli.repairing import repair_run
from coldline.cli.reviewing import Reviewing, reviewed_status
from coldline.cli.status import ERROR, INTERRUPTED, complain
from coldline.errors import RepeatError
from coldline.events.interruptible import Interruptible
from coldline.first_pass import check
from coldline.frontends.unicorn import End, Outcome
from coldline.frontends.unicorn.memory_at_end import MemoryAtEnd
from coldline.jit.code_cache import compile_missing
from coldline.report.added import AddedOperations
from coldline.report.model import Guest, Report, Run
from coldline.report.reporters import DEFAULT, FORMATS
from coldline.simulation import Trial
from coldline.verdict import Judgement, judge

if TYPE_CHECKING:
    from coldline.checker.checker import Checker
    from coldline.explain.selection import KeptEvents

_MOST_KEPT: Final = 4_000_000
"""The most events that are kept in memory, some 60 bytes each, while repairs are searched."""


def run_boot(options: argparse.Namespace) -> int:
    """Build a guest, run it, check its accesses and report; return the exit status."""
    started = time.perf_counter()
    reviewing = Reviewing(options)
    injected = injected_of(options)
    outputs = Outputs(options.formats, quiet=options.quiet, hazards=options.hazards, of_run=True)
    kernel, plan = plan_guest(options)
    host, why_default = host_of(options, kernel, plan)
    symbols = symbols_of(options, kernel, plan)
    trial = replace(
        trial_of(options, plan, strategy_of(options, host, why_default), host, bare=is_bare(options, kernel)),
        additions=additions_of(options, plan, symbols),
    )
    guest = Guest(
        kernel=kernel,
        plan=plan,
        host=trial.model.name,
        host_default=why_default,
        strategy=trial.strategy,
        core=trial.core.name,
    )
    with outputs:
        outputs.begin(guest)
        most = reviewing.most(outputs.hazards or 0, options.hazards)
        if options.repair or injected is not None:
            most = max(most, FORMATS[DEFAULT].hazards if options.hazards is None else options.hazards)
        with Progress(not options.quiet) as progress:
            kept = _kept_events(options)
            searched = symbols is not None and symbols.is_of_a_program
            memory = MemoryAtEnd(
                [(each.address, each.data[:]) for each in code_segments(plan)], whole=searched
            )
            judgement, outcome, checker = _judge(trial, options, outputs, most, progress, kept, memory)
            if searched:
                find_in_memory(symbols, options.symbols, memory)
            repairs, repaired = (
                repair_run(trial, judgement, progress, checker, kept)
                if options.repair and judgement.hazards and not judgement.interrupted
                else ({}, None)
            )
            shown, interrupted = (
                ({}, True) if judgement.interrupted else inject(injected, trial, judgement, progress)
            )
        added = added_operations(options, trial.additions, outcome)
        run = _run_of(trial, outcome, added, memory, time.perf_counter() - started)
        report = Report(subject=kernel.path, judgement=judgement, guest=guest, run=run, symbols=symbols)
        triage = reviewing.triage(report)
        report = Report(
            subject=kernel.path,
            judgement=judgement,
            guest=guest,
            run=run,
            symbols=symbols,
            triage=triage,
            repairs=repairs,
            repaired=repaired,
            consequences=shown,
        )
        outputs.report(report)
    if interrupted:
        complain("interrupted")
        return INTERRUPTED
    reviewing.finish()
    missing = missing_cause(injected, judgement)
    if missing is not None:
        complain(missing)
        return ERROR
    return reviewed_status(report)


def _kept_events(options: argparse.Namespace) -> "KeptEvents | None":
    """Where the events are kept that repairs are searched in; None if they are not."""
    if not options.repair:
        return None
    from coldline.explain.selection import KeptEvents

    return KeptEvents(_MOST_KEPT)


def _judge(
    trial: Trial,
    options: argparse.Namespace,
    outputs: Outputs,
    most: int,
    progress: Progress,
    kept: "KeptEvents | None",
    memory: MemoryAtEnd,
) -> tuple[Judgement, Outcome, "Checker"]:
    """Run and check the guest; run it again if hazards need their stories."""
    from coldline.checker.final_read import Region

    regions = [Region(each.name, each.address, each.size, each.data.nbytes) for each in trial.plan.segments]
    compile_missing(programs_of(trial.plan), progress.compiled)
    following = Following(progress, outputs)
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        writer = None
        if options.trace is not None:
            from coldline.trace.writing import TraceWriter

            writer = stack.enter_context(TraceWriter(options.trace, trial.profile, options.trace_format))
        first = TrialRun(
            trial,
            following.ran,
            progress.console if outputs.for_people else lambda text: None,
            writer.write if writer is not None else None,
            memory,
        )
        until_interrupt = Interruptible(first)
        checker = check(until_interrupt, trial.profile, distinct=True, at_length=True)
        if until_interrupt.interrupted:
            raise KeyboardInterrupt  # so that no trace is left behind
    if until_interrupt.interrupted:
        judgement = judge(checker, first, most=most, stories=0, gaps=[verdict.WAS_INTERRUPTED])
        return judgement, first.outcome, checker
    try:
        judgement = judge(
            checker,
            TrialRun(trial),
            most=most,
            stories=most,
            regions=regions,
            gaps=[
                *first.outcome.gaps(trial.until, checker.coverage.cacheable),
                *not_added(added_operations(options, trial.additions, first.outcome)),
            ],
            watcher=following,
            kept=kept,
            interruptible=True,
        )
    except RepeatError as error:
        raise RepeatError(f"two runs of this guest differ, which is a fault of coldline: {error}") from error
    return judgement, first.outcome, checker


def _run_of(
    trial: Trial, outcome: Outcome, added: tuple[AddedOperations, ...], memory: MemoryAtEnd, seconds: float
) -> Run:
    return Run(
        end=outcome.end.value if outcome.end is not None else None,
        psci=outcome.psci_call,
        awaited=trial.until.text.decode("utf-8", "replace") if outcome.end is End.CONSOLE else "",
        instructions=outcome.instructions,
        accesses=outcome.accesses,
        page_crossings=outcome.crossings,
        mmu_on=outcome.mmu_on,
        caches_on=outcome.caches_on,
        turns=outcome.turns,
        devices=outcome.devices,
        pc=outcome.pc,
        fault=outcome.fault,
        poll=outcome.poll,
        console=outcome.console.decode("utf-8", "replace"),
        seconds=seconds,
        added=added,
        overwritten=tuple(memory.overwritten),
    )
