# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for a report's verdict and for a hazard's place, for the formats that people read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from coldline.explain.explained import ExplainedHazard, Unread
from coldline.report.event_words import event_words
from coldline.report.triaged import CauseState
from coldline.rules.order.ordering import COLD_START
from coldline.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from coldline.checker.final_read import StaleRange
    from coldline.report.added import AddedOperations, Repaired
    from coldline.report.model import Guest, Report, Run
    from coldline.report.triaged import Triage

_COHERENT = "coherent: no fill and no eviction that the architecture allows can show stale data"


def verdict_words(judgement: Judgement) -> str:
    """The verdict in a line."""
    if judgement.verdict is Verdict.COHERENT:
        return _COHERENT
    if judgement.verdict is Verdict.INCONCLUSIVE:
        return f"inconclusive: no hazard was found, but {'; '.join(judgement.gaps)}"
    if not judgement.kinds:
        return f"hazard: none in this run, but {_unread_words(judgement.unread_loaded)}"
    return f"hazard: {counted_words(judgement.kinds)}"


def counted_words(kinds: Mapping[str, int]) -> str:
    """Numbers of hazards by their kinds."""
    return (
        f"{sum(kinds.values()):,} found ({', '.join(f'{kind} {count:,}' for kind, count in kinds.items())})"
    )


def found_words(judgement: Judgement, stories: int) -> str:
    """What the first pass found, in a line, and what the second one is for."""
    if judgement.kinds:
        purpose = f"; working out the stories of {stories:,}" if stories else ""
        return f"{verdict_words(judgement)}{purpose}"
    lines = sum(each.stale for each in judgement.final_read)
    noun = "line" if lines == 1 else "lines"
    return f"no hazard in this run; finding out who wrote {lines:,} {noun} that a final read could find wrong"


def _unread_words(unread: list[Unread]) -> str:
    count, (first, _) = sum(each.found.lines for each in unread), unread[0]
    noun = "line" if count == 1 else "lines"
    kinds = ", ".join(sorted({kind for each in unread for kind in each.found.kinds}))
    where = f"the first at {first.address:#x} ({segment_words(first)})"
    return f"a read of everything that was loaded could be wrong ({kinds}) in {count:,} {noun}, {where}"


def segment_words(found: "StaleRange") -> str:
    """The place of a range in its segment."""
    return f"{found.region.name}+{found.address - found.region.address:#x}"


def added_words(added: "AddedOperations") -> str:
    """What was added to the guest's code, or that it was not, in a line."""
    if added.was_added:
        return f"added: {added.text}"
    times = "never" if not added.reached else "once" if added.reached == 1 else f"{added.reached:,} times"
    return f"not added: {added.text}: cpu{added.core} reached that instruction {times}"


def repaired_words(repaired: "Repaired") -> str:
    """The verdict on a run with one repair of each cause, in a line."""
    kinds = f" ({', '.join(repaired.kinds)})" if repaired.kinds else ""
    number = len(repaired.operations)
    return f"run again with {'that' if number == 1 else f'all {number}'}: {repaired.verdict.value}{kinds}"


def coverage_words(report: "Report") -> str:
    """What was judged, in a line."""
    assert report.judgement is not None
    coverage = report.judgement.coverage
    counts = (
        (coverage.cacheable_reads, "cacheable read"),
        (coverage.other_reads, "other read"),
        (coverage.cacheable_fetches, "cacheable fetch"),
        (coverage.other_fetches, "other fetch"),
    )
    judged = ", ".join(_counted(count, noun) for count, noun in counts if count) or "nothing"
    parts = [f"judged: {judged}"]
    start = report.judgement.profile.start
    if start != COLD_START:
        parts.append(f"caches at the start: {start}")
    if report.run is not None:
        parts += _run_coverage(report.run)
    if report.machine is not None and start == COLD_START:
        parts.append(f"caches at the start: {report.machine.start}")
    return "; ".join(parts)


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith(("ch", "ss")) else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _run_coverage(run: "Run") -> list[str]:
    def when(name: str, instructions: int | None) -> str:
        return f"{name} never on" if instructions is None else f"{name} on at instruction {instructions:,}"

    parts = []
    if run.end is not None:  # else the run was interrupted, and nobody knows
        parts += [when("MMU", run.mmu_on), when("caches", run.caches_on)]
    if run.page_crossings:
        parts.append(f"{_counted(run.page_crossings, 'access')} not followed")
    if len(run.turns) > 1:
        parts.append(f"turns of the vCPUs: {', '.join(f'{turns:,}' for turns in run.turns)}")
    if run.devices:
        parts.append(f"devices: {', '.join(run.devices)}")
    return parts


def not_covered_words(report: "Report") -> str:
    """The faults that the verdict does not cover, in a line."""
    return f"not covered: {', '.join(report.not_covered)}"


def listed(hazards: Sequence[ExplainedHazard]) -> int:
    """The number of hazards, one for each line and kind, that some entries stand for."""
    return sum(hazard.entry.lines for hazard in hazards)


def place_words(report: "Report", hazard: ExplainedHazard) -> str:
    """A hazard's place: for a trace file its line, for a run its segment and the instruction.

    For a machine that was watched, it is the instruction alone.
    """
    if report.machine is not None:
        pc = f", by pc {hazard.code.virtual:#x}" if hazard.code is not None else ""
        return f"event {hazard.entry.number:,}: {hazard.entry.event}{pc}"
    if report.guest is None:
        return f"line {hazard.entry.where}: {event_words(report, hazard.entry.event, hazard.entry.where)}"
    return _place_in(report, report.guest, hazard)


def _place_in(report: "Report", guest: "Guest", hazard: ExplainedHazard) -> str:
    from coldline.report.code_places import data_place, source_place
    from coldline.report.disassembly import instruction, place_in

    plan, entry = guest.plan, hazard.entry
    parts = [place_in(plan.segments, entry.address) or "RAM that the builder did not write"]
    data = data_place(report, entry.address)
    if data:
        parts[0] = f"{parts[0]} ({data})"
    if hazard.code is not None:
        source = source_place(report, hazard.code)
        named = f" {source}" if source is not None else ""
        overwritten = report.run.overwritten if report.run is not None else ()
        known = not any(hazard.code.physical in each for each in overwritten)
        text = instruction(plan.architecture, plan.segments, hazard.code) if known else ""
        verb = "fetched at" if entry.kind == "stale-fetch" else "by"
        parts.append(f"{verb} pc {hazard.code.virtual:#x}{named}{f': {text}' if text else ''}")
    return ", ".join(parts)


def triage_words(triage: "Triage") -> str:
    """How many causes are in each state, in a line."""
    counts = [f"{triage.count(state):,} {state.value}" for state in CauseState if triage.count(state)]
    untold = [f"{triage.untold:,} hazards without a story"] if triage.untold else []
    return f"causes: {', '.join((*counts, *untold)) or 'none'}"
