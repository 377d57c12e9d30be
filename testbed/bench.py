# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures guest builds in dom0, with every strategy and with `xl create`. Times are counted instructions.

Each builder runs in its own machine, restored from the same snapshot, so that builders do not affect one another.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from coldline.errors import ColdlineError
from testbed.machines import machine
from testbed.packages.sources import Sources

__all__ = ["BenchError", "measure", "table"]

_MIB = 1 << 20
_INSTRUCTION_S = 2e-9  # on the clock of a machine that counts instructions: `machine.run`
_TIMEOUT_S = 1800.0


class BenchError(ColdlineError):
    """A measurement failed in dom0."""


class _Builder(NamedTuple):
    """A builder: xl, xl with coldline's library, or coldline with a strategy."""

    strategy: str
    with_driver: bool = True

    def __str__(self) -> str:
        if self.strategy == _XL:
            return "`xl create`"
        if self.strategy == _PRELOADED_XL:
            return "`coldline xl create`"
        return f"`coldline create`, `{self.strategy}`" + ("" if self.with_driver else ", without the driver")


_XL, _PRELOADED_XL = "xl", "preloaded-xl"
_STRATEGIES = {
    "arm64": ("none", "flush", "hypercall", "uncached", "uncached-hypercall"),
    "armhf": ("none", "syscall", "hypercall", "uncached", "uncached-hypercall"),
}


def measure(
    sources: Sources,
    initrd: Path,
    folder: Path,
    *,
    sizes: Sequence[int],
    turns: int,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Build guests in dom0, and count instructions and memory.

    Parameters
    ----------
    sources : Sources
        Xen and dom0's kernel.
    initrd : Path
        dom0's initramfs.
    folder : Path
        A folder of the host, filled for dom0.
    sizes : sequence of int
        Sizes of the guest's initrd, in MiB.
    turns : int
        Number of builds after each builder's first one.
    say : callable
        Receives progress messages.

    Returns
    -------
    dict
        The results, for `table` and as JSON.

    Raises
    ------
    BenchError
        If a measurement fails.
    """
    guests = []
    say("start of the commands")
    starts = _run(sources, initrd, folder, "starts", f"--turns {turns}")
    for size in sizes:
        builders = {}
        for builder in _builders(sources.architecture):
            say(f"an initrd of {size} MiB: {builder}")
            driver = "" if builder.with_driver else "--no-driver"
            words = f"--turns {turns} --initrd {size} {driver}"
            builders[str(builder)] = _run(sources, initrd, folder, builder.strategy, words)
        guests.append({"initrd": size * _MIB, "builders": builders})
    return {"architecture": sources.architecture, "turns": turns, "starts": starts, "guests": guests}


def _builders(architecture: str) -> Iterator[_Builder]:
    yield _Builder(_XL)
    yield _Builder(_PRELOADED_XL)
    for strategy in _STRATEGIES[architecture]:
        yield _Builder(strategy)
    yield _Builder("hypercall", with_driver=False)


def _run(sources: Sources, initrd: Path, folder: Path, strategy: str, words: str) -> dict[str, Any]:
    command = f"exec python3 -m testbed.dom0.bench {strategy} {words}"
    outcome = machine.run(sources, initrd, folder, command, timeout_s=_TIMEOUT_S, counted=True)
    if outcome.status:
        said = (folder / "output").read_text(errors="replace").rstrip().rpartition("\n")[2]
        raise BenchError(f"{command}: exit status {outcome.status}: {said}")
    measured: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    return measured


def table(measured: dict[str, Any]) -> str:
    """Return a Markdown table of instructions and memory, also as ratios to xl's.

    Parameters
    ----------
    measured : dict
        From `measure`.
    """
    lines = [
        f"{measured['architecture']}, in millions of instructions, of all that the processor did; *again* is the "
        f"least of {measured['turns']} guests after the first:",
        "",
        "| command | instructions | memory |",
        "|---|---|---|",
    ]
    for name, used in measured["starts"].items():
        lines.append(f"| `{name}` | {_instructions(used)} | {_memory(used)} |")
    for guest in measured["guests"]:
        builders = guest["builders"]
        xl = builders[str(_Builder(_XL))]
        sizes = ", ".join(f"{name} {xl[name] / _MIB:.0f} MiB" for name in ("kernel", "initrd", "memory"))
        lines += [
            "",
            f"{sizes}:",
            "",
            "| builder | first guest | / xl | again | / xl | memory | / xl |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [f"| {name} | {' | '.join(_row(used, xl))} |" for name, used in builders.items()]
    return "\n".join(lines) + "\n"


def _row(used: dict[str, Any], xl: dict[str, Any]) -> list[str]:
    if "failed" in used:
        return ["fails"] + ["-"] * 5
    cells = []
    for when in ("first", "again"):
        cells += [_instructions(used[when]), _ratio(used[when], xl.get(when), "s")]
    return [*cells, _memory(used["first"]), _ratio(used["first"], xl.get("first"), "kib")]


def _ratio(used: dict[str, float], xl: dict[str, float] | None, key: str) -> str:
    return f"{used[key] / xl[key]:.2f}" if xl is not None else "-"


def _instructions(used: dict[str, float]) -> str:
    return f"{used['s'] / _INSTRUCTION_S / 1e6:,.0f} M"


def _memory(used: dict[str, float]) -> str:
    return f"{used['kib'] / 1024:.0f} MiB"
