# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares three implementations of the rules on the same traces.

Each trace, drawn by Hypothesis (``trace_strategies.py``) or one of those of ``every_state.py``, is given to the
checker of coldline, to the brute-force explorer and to Spin with the Promela model. They agree on it if they find the
same hazards: line in the text, kind, agent, address and size. ``scripts/agree`` starts this.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.helpers.checking import check_text
from tests.helpers.trace_strategies import traces
from tests.oracles import every_state
from tests.oracles.explorer import Malformed, explore
from tests.oracles.promela_model import Spin, read

CHUNK = 250
Verdict = list[tuple[Any, ...]]
Task = tuple[Callable[..., "Tally"], tuple[Any, ...]]


@dataclass
class Tally:
    """
    The counts of a comparison.

    Parameters
    ----------
    traces : int
        The traces for the checker and the explorer.
    by_spin : int
        How many of them were also for Spin.
    events : int
        The events in all traces.
    kinds : Counter
        The hazards, by kind.
    events_by_name : Counter
        The events, by the model's names.
    coherent : int
        Traces without a hazard.
    smallest : str or None
        A trace on which the readings differ.
    """

    traces: int = 0
    by_spin: int = 0
    events: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    events_by_name: Counter[str] = field(default_factory=Counter)
    coherent: int = 0
    smallest: str | None = None

    def add(self, other: "Tally") -> None:
        """Add the counts of another comparison."""
        self.traces += other.traces
        self.by_spin += other.by_spin
        self.events += other.events
        self.kinds += other.kinds
        self.events_by_name += other.events_by_name
        self.coherent += other.coherent
        if self.smallest is None or (other.smallest and len(other.smallest) < len(self.smallest)):
            self.smallest = other.smallest


def draw(count: int, number: int) -> list[str]:
    """Draw traces: the same ones for the same number, while the same modules are loaded.

    Hypothesis takes some of its numbers from the constants of this repository's modules.
    """
    drawn: list[str] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(traces())
    def take(text: str) -> None:
        drawn.append(text)

    take()
    return drawn


def verdicts(text: str, spin: Spin | None) -> dict[str, Verdict]:
    """
    Return each implementation's hazards of a trace; Spin's only if it is wanted.

    Raises
    ------
    Malformed
        If it is not a trace.
    """
    found: dict[str, Verdict] = {
        "explorer": list(map(tuple, explore(text))),
        "checker": list(map(tuple, check_text(text))),
    }
    if spin:
        found["Promela model"] = list(map(tuple, spin.explore([text])[0]))
    return found


def differ(text: str, spin: Spin | None) -> bool:
    """Whether a text is a trace, and the readings differ on it."""
    try:
        first, *rest = verdicts(text, spin).values()
    except Malformed:
        return False
    return any(other != first for other in rest)


def reduced(text: str, still: Callable[[str], bool]) -> str:
    """Leave lines out of a text, one after another, as long as the rest still has the wanted property."""
    lines = text.splitlines()
    at = len(lines)
    while at:
        at -= 1
        shorter = lines[:at] + lines[at + 1 :]
        if still("\n".join(shorter) + "\n"):
            lines = shorter
            at = len(lines)
    return "\n".join(lines) + "\n"


def compare(texts: Sequence[str], spin: Spin | None, by_spin: int) -> Tally:
    """Compare the implementations on some traces, Spin on the first few; stop at the first difference."""
    tally = Tally()
    by_model = spin.explore(texts[:by_spin]) if spin else []
    for number, text in enumerate(texts):
        explored: Verdict = list(map(tuple, explore(text)))
        same = explored == list(map(tuple, check_text(text)))
        if number < len(by_model):
            same = same and explored == list(map(tuple, by_model[number]))
            tally.by_spin += 1
        events = read(text)[2]
        tally.traces += 1
        tally.events += len(events)
        tally.events_by_name.update(event.what for event in events)
        tally.kinds.update(hazard[1] for hazard in explored)
        tally.coherent += not explored
        if not same:
            tally.smallest = reduced(text, lambda shorter: differ(shorter, spin))
            break
    return tally


def chunk(count: int, number: int, spin: Spin | None, share: float) -> Tally:
    """Draw some traces and compare the readings on them."""
    texts = draw(count, number)
    return compare(texts, spin, round(share * len(texts)))


def _told(text: str, spin: Spin | None) -> str:
    lines = ["they differ on this trace:", "", *text.splitlines(), ""]
    for name, verdict in verdicts(text, spin).items():
        lines += [f"{name}:", *(f"    {hazard}" for hazard in verdict or ("coherent",))]
    return "\n".join(lines)


def _progress(done: int, started: float) -> None:
    rate = done / (time.monotonic() - started)
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"agree: {done:,} traces so far, {rate:,.0f} a second  ", end=end, file=sys.stderr, flush=True)


def random_tasks(count: int, number: int, spin: Spin | None, share: float) -> Iterator[Task]:
    """Yield tasks that compare `count` random traces, drawn with the seeds from `number` on."""
    for done in range(0, count, CHUNK):
        yield chunk, (min(CHUNK, count - done), number + done // CHUNK, spin, share)


def every_task(spin: Spin | None, share: float) -> Iterator[Task]:
    """Yield tasks that compare a trace for every event in every state."""
    for options in every_state.OPTION_SETS:
        texts = every_state.transitions(options)
        while batch := list(islice(texts, CHUNK)):
            yield compare, (batch, spin, round(share * len(batch)))


def _run(tasks: Iterator[Task], jobs: int) -> Tally:
    """Do all tasks, `jobs` at a time, up to the first disagreement."""
    total = Tally()
    started = shown = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        pending = deque(pool.submit(work, *given) for work, given in islice(tasks, 3 * jobs))
        while pending:
            total.add(pending.popleft().result())
            if time.monotonic() - shown > (1 if sys.stderr.isatty() else 30):
                shown = time.monotonic()
                _progress(total.traces, started)
            if total.smallest is not None:
                pool.shutdown(cancel_futures=True)
                break
            pending.extend(pool.submit(work, *given) for work, given in islice(tasks, 1))
    return total


def main(words: Sequence[str] | None = None) -> int:
    """Compare, print the counts, and return the exit status: 0 if they agree, 1 if not."""
    arguments = argparse.ArgumentParser(
        prog="scripts/agree",
        description="Hold the checker, the explorer and the Promela model against one another on random traces.",
    )
    arguments.add_argument("count", nargs="?", type=int, default=100_000, help="of traces (default: 100000)")
    arguments.add_argument(
        "--spin", type=float, default=1.0, metavar="SHARE", help="of them for Spin (default: 1)"
    )
    arguments.add_argument("--seed", type=int, default=0, help="other numbers draw other traces (default: 0)")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    arguments.add_argument(
        "--every", action="store_true", help="in place of random ones, a trace for every event in every state"
    )
    options = arguments.parse_args(words)
    if options.count < 1 or not 0 <= options.spin <= 1 or options.jobs < 1:
        arguments.error("count and --jobs are at least 1, and --spin is from 0 to 1")
    if options.spin and not Spin.is_here():
        arguments.error(
            "spin and gcc are not here (scripts/setup --test installs them); --spin 0 does without"
        )

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        spin = Spin(Path(folder)) if options.spin else None
        if options.every:
            tasks = every_task(spin, options.spin)
        else:
            tasks = random_tasks(options.count, options.seed * 1_000_000, spin, options.spin)
        total = _run(tasks, options.jobs)
        seconds = time.monotonic() - started
        rarest, times = total.events_by_name.most_common()[-1]
        print(
            f"traces    {total.traces:,} by checker and explorer, {total.by_spin:,} of them by Spin; {seconds:.0f} s"
        )
        print(
            f"events    {total.events:,} of {len(total.events_by_name)} kinds; the rarest, {rarest}, {times:,} times"
        )
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(total.kinds.items()))
        print(f"hazards   {kinds or 'none'}; {total.coherent:,} traces are coherent")
        if total.smallest is not None:
            print(f"disagreements: {_told(total.smallest, spin)}")
            return 1
        print("disagreements: 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
