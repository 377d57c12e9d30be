# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline boot``."""

import argparse
import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from coldline.arm import psci
from coldline.cli.progress import RunProgress
from coldline.cli.trials import plan_guest, trial_of
from coldline.errors import RepeatError
from coldline.frontends.unicorn import End, Outcome, Until
from coldline.guest import Plan
from coldline.image import Kernel
from coldline.simulation import Trial
from coldline.support.printable import printable
from coldline.verdict import Hazard, Judgement, Sink, Source, Verdict, check, judge

if TYPE_CHECKING:
    from collections.abc import Callable


_MOST, _MOST_IN_JSON = 5, 100
"""Hazards that are told of, unless the user says how many."""


def run_boot(options: argparse.Namespace) -> int:
    """Build, run, check and report; the exit status."""
    started = time.perf_counter()
    kernel, plan = plan_guest(options)
    trial = trial_of(options, plan, options.strategy, options.host)
    talk = not (options.json or options.quiet)
    if talk:
        from coldline.report import layout

        layout.print_layout(kernel, trial)
    outcome = Outcome()
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(RunProgress(talk))
        writer = None
        if options.trace is not None:
            from coldline.trace.writing import TraceWriter

            writer = stack.enter_context(TraceWriter(options.trace, trial.profile, options.trace_format))

        def first(sink: Sink) -> None:
            nonlocal outcome

            def both(batch: Any, pcs: Any) -> None:
                if writer is not None:
                    writer.write(batch)
                sink(batch, pcs)

            outcome = trial.run(both, console=progress.console, progress=progress.update)

        checker = check(first, trial.profile, distinct=True, at_length=True)

    from coldline.checker.final_read import Region

    regions = [Region(each.name, each.address, each.size) for each in plan.segments]
    most = options.hazards if options.hazards is not None else _MOST_IN_JSON if options.json else _MOST
    with RunProgress(talk) as telling:
        again = _again(trial, telling.update)
        try:
            found = judge(checker, again, most=0 if options.quiet else most, stories=most, regions=regions)
        except RepeatError as error:
            raise RepeatError(
                f"two runs of this guest differ, which is a fault of coldline: {error}"
            ) from error
    seconds = time.perf_counter() - started
    if options.json:
        print(json.dumps(_document(kernel, trial, outcome, found, seconds)))
    else:
        _print(plan, trial.until, outcome, found, seconds, quiet=options.quiet)
    return 0 if found.verdict is Verdict.COHERENT else 1


def _again(trial: Trial, progress: "Callable[[int, int], None]") -> Source:
    def source(sink: Sink) -> None:
        trial.run(sink, with_pcs=True, progress=progress)

    return source


def _document(
    kernel: Kernel,
    trial: Trial,
    outcome: Outcome,
    found: Judgement,
    seconds: float,
) -> dict[str, Any]:
    from coldline.report import document
    from coldline.report.memory_map import image_document

    return {
        "verdict": found.verdict.value,
        "hazards": [document.boot_hazard(hazard) for hazard in found.hazards],
        "hazards_found": found.found,
        "hazard_events": found.hazard_events,
        "sweep": document.swept_document(found.final_read),
        **image_document(kernel),
        "host": trial.model.name,
        "strategy": trial.strategy,
        "core": trial.core.name,
        "exception_level": trial.plan.exception_level,
        "entry": trial.plan.registers.pc,
        "banks": [{"address": bank.base, "size": bank.size} for bank in trial.plan.banks],
        "segments": [
            {"name": each.name, "address": each.address, "size": each.size, "loaded": len(each.data)}
            for each in trial.plan.segments
        ],
        "end": outcome.end.value if outcome.end is not None else None,
        "psci": list(outcome.psci_call) if outcome.psci_call is not None else None,
        "instructions": outcome.instructions,
        "accesses": outcome.accesses,
        "events": found.events,
        "page_crossings": outcome.crossings,
        "console": outcome.console.decode("utf-8", "replace"),
        "seconds": round(seconds, 3),
    }


def _print(
    plan: Plan,
    until: Until,
    outcome: Outcome,
    found: Judgement,
    seconds: float,
    *,
    quiet: bool,
) -> None:
    from coldline.report import terminal

    def describe(hazard: Hazard) -> str:
        from coldline.report.instructions import instruction, place

        entry = hazard.entry
        parts = [place(plan.segments, entry.address) or "RAM that the builder did not write"]
        if hazard.code is not None:
            text = instruction(plan.architecture, plan.segments, hazard.code)
            verb = "fetched at" if entry.kind == "stale-fetch" else "by"
            parts.append(f"{verb} pc {hazard.code.virtual:#x}{f': {text}' if text else ''}")
        return ", ".join(parts)

    if not quiet:
        terminal.print_hazards(found, describe)
        terminal.say("")
        terminal.print_sweep(found.final_read)
    terminal.print_verdict(found, "")
    if not quiet:
        summary = (
            f"{_ending(plan.architecture, outcome, until)} after {outcome.instructions:,} instructions, "
            f"{outcome.accesses:,} accesses; {found.events:,} events checked; {seconds:.1f} s"
        )
        terminal.say(summary, "dim")
        if outcome.crossings:
            crossed = f"{outcome.crossings:,} accesses" if outcome.crossings > 1 else "1 access"
            terminal.say(f"{crossed} over a page end: the bytes past it were not followed", "dim")
    sys.stdout.flush()


def _ending(architecture: str, outcome: Outcome, until: Until) -> str:
    if outcome.end is End.CONSOLE:
        return f"the guest printed '{printable(until.text.decode('utf-8', 'replace'))}'"
    if outcome.psci_call is not None:
        name = psci.name(outcome.psci_call[0])
        register = "r1" if architecture == "arm32" else "x1"
        code = f" with {register} = {outcome.psci_call[1]:#x}" if outcome.end is End.OFF else ""
        return f"the guest called PSCI's {name}{code}"
    return "the guest turned its MMU on" if outcome.end is End.MMU else "stopped"
