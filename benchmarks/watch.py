# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares `coldline watch` of a machine with the same machine on QEMU alone, and with parts of the watch.

All are whole processes, started in turn, with one thread of QEMU's for all vCPUs: QEMU alone; QEMU with the plugin,
whose records nobody reads; with all events made and dropped; and `coldline watch`. Seconds are those of a clock, and
those of processors, QEMU's included: on a machine that does other things as well, only the latter mean much.

The last lines are of `coldline watch` itself: the processor time of its busiest threads, and of QEMU's one thread of
all vCPUs, from ``/proc/PID/task/TID/stat``, as it was shortly before QEMU ended.

Usage: python benchmarks/watch.py [--runs N] -- qemu-system-aarch64 … (a machine that ends by itself)
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from coldline.frontends.qemu.command_line import CommandLine, read_command_line, rewritten  # noqa: E402
from coldline.frontends.qemu.plugin import plugin_code  # noqa: E402
from coldline.frontends.qemu.ring import RecordRing, memory_file, path_of  # noqa: E402
from coldline.frontends.qemu.watch import Watch  # noqa: E402

BARE, PLUGIN, EVENTS, WATCH = (
    "bare QEMU",
    "plugin, records unread",
    "events made and dropped",
    "coldline watch",
)


class Seconds(NamedTuple):
    """How long a process took: by the clock, and of processors."""

    clock: float
    processors: float


def run_plugin(machine: CommandLine) -> None:
    """Run the machine with the plugin, and drop its records."""
    compiled = plugin_code()
    plugin, ring = memory_file("coldline-plugin", 0), RecordRing()
    os.write(plugin, compiled)
    ram = memory_file("coldline-ram", machine.ram_size)
    arguments = [
        path_of(plugin), f"ring={ring.path}", "ram=memfd:coldline-ram", f"base={machine.ram_base}",
        f"size={machine.ram_size}", "barriers=0", "filter=1", f"reader={os.getpid()}",
    ]  # fmt: skip
    words = rewritten(machine, ram=path_of(ram), plugin=",".join(arguments))
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ring.go()
    while process.poll() is None:
        ring.take(ring.written)
        time.sleep(0.0005)
    ring.close()
    if process.returncode:
        raise SystemExit(f"QEMU ended with status {process.returncode}")


def thread_seconds(process: int) -> dict[str, float]:
    """The processor time of each thread of a process so far, by its number and name."""
    found = {}
    for task in Path(f"/proc/{process}/task").glob("*/stat"):
        with suppress(OSError):
            name, rest = task.read_text().partition("(")[2].rpartition(")")[::2]
            user, system = rest.split()[11:13]
            found[f"{task.parent.name} {name}"] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return found


def threads_of_watch(command: list[str]) -> dict[str, dict[str, float]]:
    """Run a watch, and return the processor time of the threads of it and of its QEMU when they were last seen."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen: dict[str, dict[str, float]] = {}
    while process.poll() is None:
        children = [
            each
            for path in Path(f"/proc/{process.pid}/task").glob("*/children")
            for each in path.read_text().split()
        ]
        for each in children:
            with suppress(OSError):
                if Path(f"/proc/{each}/comm").read_text().startswith("qemu"):
                    for name, number in (("QEMU", int(each)), ("coldline", process.pid)):
                        seen.setdefault(name, {}).update(thread_seconds(number))
        time.sleep(0.2)
    return seen


def measure(command: list[str]) -> Seconds:
    """Run a process that must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    before, start = os.times(), time.perf_counter()
    ended = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clock, after = time.perf_counter() - start, os.times()
    if ended.returncode not in (0, 1, 3):
        raise SystemExit(f"{' '.join(command)}: status {ended.returncode}")
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return Seconds(clock, used)


def main() -> None:
    """Run all in turn, and print the medians and the ratios to QEMU alone."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("qemu", nargs="+", help="QEMU's command line")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--part", choices=("plugin", "events"), help=argparse.SUPPRESS)
    options = arguments.parse_args()
    machine = read_command_line(options.qemu)
    if options.part == "plugin":
        run_plugin(machine)
        return
    if options.part == "events":
        Watch(machine).run(lambda batch: None)
        return
    with_plugin = rewritten(machine, ram="/dev/null", plugin="")
    bare = [
        with_plugin[0], "-machine", machine.board, "-m", f"{machine.ram_size >> 10}k", "-accel", "tcg,thread=single",
        *machine.words,
    ]  # fmt: skip
    this = [sys.executable, __file__]
    commands = {
        BARE: bare,
        PLUGIN: [*this, "--part", "plugin", "--", *options.qemu],
        EVENTS: [*this, "--part", "events", "--", *options.qemu],
        WATCH: [sys.executable, "-m", "coldline", "watch", "--quiet", "--", *options.qemu],
    }
    measure(commands[WATCH])  # so that its loops are compiled
    times: dict[str, list[Seconds]] = {name: [] for name in commands}
    for _ in range(options.runs):
        for name, command in commands.items():
            times[name].append(measure(command))
    base = Seconds(*(statistics.median(column) for column in zip(*times[BARE], strict=True)))
    print(f"{'':26} {'clock':>8} {'ratio':>6} {'processors':>11} {'ratio':>6}")
    for name, found in times.items():
        clock, processors = (statistics.median(column) for column in zip(*found, strict=True))
        ratios = clock / base.clock, processors / base.processors
        print(f"{name:26} {clock:7.2f}s {ratios[0]:6.2f} {processors:10.2f}s {ratios[1]:6.2f}")
    print("threads of coldline watch:")
    for process, threads in threads_of_watch(commands[WATCH]).items():
        for thread, seconds in sorted(threads.items(), key=lambda each: -each[1])[:4]:
            print(f"{process:10} {thread:24} {seconds:8.2f}s")


if __name__ == "__main__":
    main()
