# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures the check's time and memory, beside the machine's limits in the same run.

bulk    a whole guest mapped, written, cleaned, unmapped and read; beside NumPy's copy of as many bytes
stream  one event for each access; beside a bare look-up loop (Numba) over the same lines
whole   events that affect all memory at once
small   `coldline check` of ten lines as a whole process, with a full cache folder and with an empty one

Times are the best of several. Usage: python benchmarks/check.py [--json] [bulk] [stream] [whole] [small]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numba
import numpy as np

from benchmarks.timing import best
from coldline.arm import MemoryType
from coldline.checker import Checker
from coldline.checker.dense_rows import COMPILE_FROM
from coldline.events import Event, Op
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules.alphabet import Letter

BASE = 1 << 32
GIB = 1 << 30
LINE = 64
EVENTS = 4_000_000
SIZES = np.array([1, 2, 4, 8, 8, 8, 16, 32, 64])
ACCESSES = {Op.READ: 0.50, Op.WRITE: 0.30, Op.FETCH: 0.15, Op.WALK: 0.05}

TEN_LINES = """\
dom0  map      0x40000000 0x1000 normal-wb
dom0  write    0x40000000 64
dom0  dc civac 0x40000000 64
dom0  unmap    0x40000000 0x1000
guest mmu      off
guest write    0x40000000 8
guest map      0x40000000 0x1000 normal-wb
guest mmu      on
guest read     0x40000000 8
guest read     0x40000008 8
"""


def least(work: Callable[[], Any], runs: int = 5) -> float:
    """The least seconds of some runs, in this process's processor time, as other processes may run too."""
    return float(best(runs, work, time.process_time))


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def checker() -> Checker:
    """A checker with its machine code loaded."""
    made = Checker(distinct=True)
    made.expect(COMPILE_FROM)
    return made


def guest_life(size: int) -> list[Event]:
    """The events of a builder and a guest on all of a guest's memory."""
    return [
        Event("dom0", Op.MAP, BASE, size, MemoryType.NORMAL_WB),
        Event("dom0", Op.WRITE, BASE, size),
        Event("dom0", Op.DC_CIVAC, BASE, size),
        Event("dom0", Op.UNMAP, BASE, size),
        Event("guest", Op.READ, BASE, size),
    ]


def take_all(check: Checker, events: list[Event]) -> None:
    for event in events:
        check.event(event)


# -- bulk ------------------------------------------------------------------------------------------------------


def bulk() -> dict[str, float]:
    """Measure memory whose lines are all in one state, and memory whose lines differ."""
    size = 64 * GIB
    before = resident()
    check = checker()
    check.event(Event("guest", Op.MMU_OFF))
    seconds = least(lambda: take_all(check, guest_life(size)))
    results = {
        "64 GiB, lines agree: ms": seconds * 1e3,
        "64 GiB, lines agree: MiB": (resident() - before) / 2**20,
    }

    lives, copies, memory = [], [], 0
    for _ in range(3):
        check = checker()
        before = resident()
        check.event(Event("guest", Op.MMU_OFF))
        check.event(Event("other", Op.MAP, BASE, GIB, MemoryType.NORMAL_WB))
        write_every_line_its_own_way(check)
        memory = max(memory, resident() - before)
        lives.append(least(partial(take_all, check, guest_life(GIB)), 1))
        assert check.hazards == 0
        copies.append(seconds_to_copy(GIB))
    results["1 GiB, each line its own: ms"] = min(lives) * 1e3
    results["1 GiB, NumPy's copy: ms"] = min(copies) * 1e3
    results["1 GiB, ratio to a copy"] = min(lives) / min(copies)
    results["1 GiB, memory: 1 part in"] = GIB / memory
    return results


def seconds_to_copy(size: int) -> float:
    """NumPy's copy of so many bytes, into used memory."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    target[:] = 2
    return least(lambda: np.copyto(target, source), 3)


def write_every_line_its_own_way(check: Checker) -> None:
    """Write some bytes of each line of 1 GiB, so that no line is in the state of the next one."""
    step = 1 << 15
    for first in range(0, GIB // LINE, step):
        some = np.arange(first, first + step, dtype=np.uint64)
        rows = np.zeros(step, EVENT_DTYPE)
        rows["address"] = BASE + some * LINE + some * 7 % 57
        rows["size"] = 1 + some % 8
        rows["op"] = Op.WRITE
        check.feed(Batch(["other"], rows))


# -- stream ----------------------------------------------------------------------------------------------------


@numba.njit
def look_up(states: Any, table: Any, lines: Any, letters: Any) -> None:
    """The bare loop: the least that any automaton over lines costs."""
    for i in range(len(lines)):
        states[lines[i]] = table[states[lines[i]], letters[i]]


def accesses(span: int, *, wander: bool) -> "np.ndarray":
    """Accesses of several agents, of any size at any offset: spread over `span` bytes, or moving through them."""
    random = np.random.default_rng(1)
    rows = np.zeros(EVENTS, EVENT_DTYPE)
    rows["size"] = random.choice(SIZES, EVENTS)
    places = (
        np.cumsum(random.integers(-96, 104, EVENTS)) % span if wander else random.integers(0, span, EVENTS)
    )
    rows["address"] = BASE + np.minimum(places, span - 64)
    rows["op"] = random.choice(list(ACCESSES), EVENTS, p=list(ACCESSES.values()))
    rows["agent"] = random.integers(0, 4, EVENTS)
    rows["attributes"] = np.where(rows["op"] == Op.WALK, 1 + MemoryType.NORMAL_WB, 0)
    return rows


def stream() -> dict[str, float]:
    """Millions of events a second, and how many times the bare loop takes."""
    results = {}
    names = ["cpu0", "cpu1", "cpu2", "cpu3"]
    for name, span, wander in (
        ("near", 1 << 20, True),
        ("1 MiB", 1 << 20, False),
        ("1 GiB", GIB, False),
    ):
        check = checker()
        for agent in names:
            check.event(Event(agent, Op.MAP, BASE, GIB, MemoryType.NORMAL_WB, True))
        rows = accesses(span, wander=wander)
        batch = Batch(names, rows)
        start = time.process_time()
        check.feed(batch)
        first = time.process_time() - start
        seconds = least(partial(check.feed, batch))
        table = check.state.lines.transitions.step.T[:, : len(Letter)].copy()
        lines = ((rows["address"] - BASE) // LINE).astype(np.uint32)
        letters = rows["op"].astype(np.uint8)
        states = np.zeros(span // LINE, np.uint16)
        look_up(states, table, lines, letters)
        bare = least(partial(look_up, states, table, lines, letters))
        results[f"{name}: M events/s, first time"] = EVENTS / first / 1e6
        results[f"{name}: M events/s"] = EVENTS / seconds / 1e6
        results[f"{name}: bare look-ups, M/s"] = EVENTS / bare / 1e6
        results[f"{name}: ratio"] = seconds / bare
    return results


# -- whole memory ----------------------------------------------------------------------------------------------


def whole() -> dict[str, float]:
    """Microseconds of events that affect all of 1 GiB whose lines differ."""
    check = checker()
    check.event(Event("other", Op.MAP, BASE, GIB, MemoryType.NORMAL_WB, True))
    write_every_line_its_own_way(check)
    results = {}
    for name, events in (
        ("ic iallu", [Event("other", Op.IC_IALLU)]),
        ("mmu off, mmu on", [Event("other", Op.MMU_OFF), Event("other", Op.MMU_ON)]),
        (
            "map and unmap of 1 GiB",
            [
                Event("guest", Op.MAP, BASE, GIB, MemoryType.NORMAL_NC),
                Event("guest", Op.UNMAP, BASE, GIB),
            ],
        ),
    ):
        results[f"{name}: us"] = least(partial(take_all, check, events), 20) * 1e6
    return results


# -- small -----------------------------------------------------------------------------------------------------


def small() -> dict[str, float]:
    """Seconds of a whole process that checks ten lines."""
    command = [str(Path(sys.executable).with_name("coldline")), "check", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ten.trace"
        path.write_text(TEN_LINES)

        def run(cache: str) -> None:
            environment = {**os.environ, "XDG_CACHE_HOME": cache}
            subprocess.run([*command, str(path)], env=environment, stdout=subprocess.DEVNULL, check=False)

        run(folder)
        kept = best(5, lambda: run(folder))

        def cold() -> None:
            with tempfile.TemporaryDirectory() as empty:
                run(empty)

        return {"ten lines: s": kept, "ten lines, nothing kept: s": best(5, cold)}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    benchmarks = {"bulk": bulk, "stream": stream, "whole": whole, "small": small}
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("benchmarks", nargs="*", metavar="NAME", help=", ".join(benchmarks))
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    unknown = set(options.benchmarks) - set(benchmarks)
    if unknown:
        arguments.error(f"there is no benchmark '{unknown.pop()}'")
    results = {}
    for name in options.benchmarks or benchmarks:
        results[name] = benchmarks[name]()
        if not options.json:
            print(name)
            for what, value in results[name].items():
                print(f"  {what:<36} {value:10.2f}")
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
