# SPDX-License-Identifier: GPL-2.0-or-later
"""The consequence of a hazard: the guest is run again, and given the old bytes that the architecture allows.

Three runs show it: one that finds out what the lines held at the fill that the story names, and where the run was at
the bad read; one as it was; and one in which the reads from there on get the old bytes. The first two serve all
hazards.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from coldline.consequence.difference import first_difference
from coldline.consequence.result import Consequence, RunEnding
from coldline.errors import GuestError, LostEventsError
from coldline.events import Op
from coldline.events.agent_names import vcpu_name
from coldline.explain.explained import ExplainedHazard
from coldline.explain.old_copy import OldCopy, old_copy
from coldline.frontends.unicorn import End, Outcome
from coldline.frontends.unicorn.follower import Follower
from coldline.frontends.unicorn.given_run import GivenRun
from coldline.frontends.unicorn.line_watch import LineWatch, Seen, WatchedLines
from coldline.frontends.unicorn.old_bytes import GivenTo, OldBytes
from coldline.frontends.unicorn.recorded_run import MOST_BLOCKS, Blocks, RecordedRun, RunMark
from coldline.simulation import Trial

_MOST_LINES: Final = 4096
_MORE_INSTRUCTIONS: Final = 1_000_000
"""A run with old bytes may have a quarter more instructions than the run without them, and these."""

_READERS: Final = {Op.READ: GivenTo.LOAD, Op.FETCH: GivenTo.FETCH, Op.WALK: GivenTo.WALK}


class _Chosen(NamedTuple):
    """A hazard to show, and what its story says of the old bytes."""

    hazard: ExplainedHazard
    old: OldCopy
    watched: WatchedLines


def consequences(
    trial: Trial,
    hazards: Mapping[int, ExplainedHazard],
    say: Callable[[str], None],
    found: dict[int, Consequence],
) -> None:
    """Run a trial again for each of some hazards, with old bytes.

    Parameters
    ----------
    trial : Trial
        The trial.
    hazards : mapping of int to ExplainedHazard
        The hazards, each with its story.
    say : callable
        Called with what is done, now and then.
    found : dict of int to Consequence
        Gets the consequence of each hazard, as soon as it is known.
    """
    chosen: dict[int, _Chosen] = {}
    for number, hazard in hazards.items():
        each = _choose(trial, hazard)
        if isinstance(each, str):
            found[number] = Consequence(why_not=each)
        else:
            chosen[number] = each
    if not chosen:
        return
    watch = LineWatch([each.watched for each in chosen.values()])
    _run(trial, watch, say=say, what="running the guest to see what the lines held")
    marks: dict[int, RunMark] = {}
    old: dict[int, OldBytes] = {}
    for (number, each), seen in zip(chosen.items(), watch.seen, strict=True):
        given = _old_bytes(each, seen)
        if isinstance(given, str):
            found[number] = Consequence(why_not=given)
        elif seen.stop is None:
            found[number] = Consequence(why_not="the instruction that reads it was not found again")
        else:
            marks[number], old[number] = RunMark(each.watched.core, seen.stop), given
    if not marks:
        return
    plain = RecordedRun(list(marks.values()))
    was = _run(trial, plain, say=say, what="running the guest as it was")
    for (number, each), seen in zip(chosen.items(), watch.seen, strict=True):
        if number in marks:
            run = partial(_run, say=say, what=f"running the guest with old bytes of cause {number + 1}")
            found[number] = _show(trial, each, seen, marks[number], old[number], plain, was, run)


def _run(trial: Trial, follower: Follower, *, say: Callable[[str], None], what: str) -> Outcome:
    """Run a trial for its follower alone."""
    say(what)
    return trial.run(
        lambda batch: None,
        follower=follower,
        progress=lambda instructions, accesses: say(f"{what}: {instructions:,} instructions"),
    )


def _choose(trial: Trial, hazard: ExplainedHazard) -> "_Chosen | str":
    """What is to be watched for a hazard, or why it cannot be shown."""
    entry, line = hazard.entry, trial.profile.line
    old = old_copy(hazard.story, trial.profile)
    if not hazard.story:
        return "it has no story"
    if hazard.code is None:
        return "no instruction of the guest reads it"
    if old is None:
        return "its story does not tell which copy is returned"
    if entry.event.op not in _READERS:
        return f"'{entry.event.op.words}' is neither a load, a fetch nor a walk"
    cores = {vcpu_name(number): number for number in range(trial.plan.vcpus)}
    core = cores.get(entry.event.agent.partition("-")[0])
    if core is None:
        return f"{entry.event.agent} is no core of the guest"
    address = entry.address - entry.address % line
    size = min(entry.lines, _MOST_LINES) * line
    watched = WatchedLines(address, size, line, old.before, entry.number, hazard.code.virtual, core)
    return _Chosen(hazard, old, watched)


def _old_bytes(each: _Chosen, seen: Seen) -> "OldBytes | str":
    """The old bytes of a hazard, or why they are not known."""
    watched, entry = each.watched, each.hazard.entry
    if seen.unsure:
        return "a DC ZVA wrote the line, whose bytes before it were not seen"
    data = b"".join(
        seen.lines[line] for line in range(watched.address, watched.address + watched.size, watched.line)
    )
    if len(data) != watched.size:
        return "the lines are not all in one bank of RAM"
    return OldBytes(
        watched.address,
        data,
        _READERS[entry.event.op],
        entry.event.agent,
        entry.number,
        watched.pc - (entry.address - watched.address),
        each.old.ends,
    )


def _show(
    trial: Trial,
    each: _Chosen,
    seen: Seen,
    mark: RunMark,
    old: OldBytes,
    plain: RecordedRun,
    was: Outcome,
    run: Callable[[Trial, Follower], Outcome],
) -> Consequence:
    """Run a trial with old bytes, and compare."""
    given = GivenRun(mark, old)
    limit = min(trial.until.limit, was.instructions + was.instructions // 4 + _MORE_INSTRUCTIONS)
    limited = replace(trial, until=replace(trial.until, limit=limit))
    try:
        now = run(limited, given)
    except (GuestError, LostEventsError) as error:
        now = Outcome(end=End.FAULT, fault=str(error))
    divergence, compared = None, 0
    begin = plain.begins.get(mark)
    if begin is not None and begin < MOST_BLOCKS:
        blocks = given.blocks.get(mark.core, Blocks())
        divergence, compared = first_difference(plain.blocks[mark.core], begin, blocks)
    new = given.new_bytes or old.data
    bad = each.hazard.entry.address - old.address
    differing = [at for at in range(len(new)) if new[at] != old.data[at]]
    changed = next((at for at in differing if at >= bad), differing[0] if differing else 0)
    line = slice(
        changed - changed % each.watched.line, changed - changed % each.watched.line + each.watched.line
    )
    return Consequence(
        copy=each.old.copy,
        reader=old.reader.value,
        address=old.address,
        size=len(old.data),
        old=old.data[line],
        new=new[line],
        differs=old.address + changed,
        before_event=each.old.before,
        contents=len(seen.contents.get(old.address, ())),
        given=given.given,
        instruction=given.instruction if old.reader is GivenTo.FETCH else each.watched.pc,
        divergence=divergence,
        compared=compared,
        pages=sum(plain.pages.get(page) != given.pages.get(page) for page in {*plain.pages, *given.pages}),
        was=_ending(was),
        now=_ending(now),
    )


def _ending(outcome: Outcome) -> RunEnding:
    return RunEnding(
        end=outcome.end.value if outcome.end is not None else "",
        psci=outcome.psci_call,
        fault=outcome.fault,
        pc=outcome.pc,
        instructions=outcome.instructions,
        console=outcome.console.decode("utf-8", "replace"),
    )
