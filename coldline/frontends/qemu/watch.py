# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine under QEMU as a source of events."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from coldline.arm import MemoryType
from coldline.errors import QemuError, UsageError
from coldline.events.event import Event
from coldline.events.op import Op
from coldline.events.source import Sink
from coldline.frontends.qemu.agents import LOADER
from coldline.frontends.qemu.command_line import CommandLine, check_release
from coldline.frontends.qemu.outcome import Watched
from coldline.frontends.qemu.reader import Reader
from coldline.frontends.qemu.session import Session
from coldline.frontends.qemu.state import MAX_RANGES
from coldline.jit import code_cache, programs
from coldline.support.units import PAGE_SIZE


def merged_pages(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the whole pages of ranges, given by addresses and sizes in bytes, as pairs of first and end address.

    They are in order, and none touches another.

    Raises
    ------
    UsageError
        If they are more than `MAX_RANGES`.
    """
    merged: list[tuple[int, int]] = []
    for low, high in sorted(
        (at & -PAGE_SIZE, -(-(at + size) // PAGE_SIZE) * PAGE_SIZE) for at, size in ranges
    ):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    if len(merged) > MAX_RANGES:
        raise UsageError(f"--only: {len(merged)} ranges, and there can be {MAX_RANGES}")
    return merged


class Watch:
    """The events of a machine, from its first instruction to QEMU's end.

    Parameters
    ----------
    machine : CommandLine
        The command line.
    start : str
        One of `START_STATES`.
    only : sequence of (int, int)
        The physical addresses and the sizes of the ranges to which accesses are wanted, in whole pages; none for all
        of RAM.
    barriers : bool
        Whether barriers are wanted.
    line : int
        Bytes of a cache line.
    names : mapping of int to str, optional
        The names of guests, by their VMIDs.
    console : callable
        Gets what QEMU writes on standard output, such as ``-serial stdio``, in a thread.
    started : callable
        Called before the machine executes its first instruction.
    progress : callable
        Called now and then, with the numbers of instructions and accesses.

    Attributes
    ----------
    outcome : Watched
        How it went, once it ran.
    """

    repeatable = False

    def __init__(
        self,
        machine: CommandLine,
        *,
        start: str = "clean",
        only: Sequence[tuple[int, int]] = (),
        barriers: bool = False,
        line: int = 64,
        names: Mapping[int, str] | None = None,
        console: Callable[[bytes], None] = lambda text: None,
        started: Callable[[], None] = lambda: None,
        progress: Callable[[int, int], None] = lambda instructions, accesses: None,
    ) -> None:
        self.outcome = Watched()
        self._machine, self._start, self._only = machine, start, merged_pages(only)
        self._barriers, self._line, self._names = barriers, line, names
        self._console, self._started, self._progress = console, started, progress
        self._session: Session | None = None
        self._ran = False

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`.

        Raises
        ------
        QemuError
            If QEMU cannot be started with the plugin, or the machine does what is not followed.
        """
        if self._ran:
            raise QemuError("a machine that was watched cannot be run again: QEMU does not repeat a run")
        self._ran = True
        self.begin()
        session = self._session
        assert session is not None
        try:
            reader = Reader(
                self._machine,
                session,
                code_cache.load_code(programs.QEMU),
                sink,
                instructions=instructions,
                names=self._names,
                clean=self._start in ("cold", "clean"),
            )
            reader.machine["line"], reader.machine["filters"] = self._line, not self._barriers
            if self._start == "any":
                reader.machine.hold_everything()
            if self._only:
                reader.machine.want_only(self._only)
            try:
                reader.read(self._before, self._progress)
            finally:
                reader.describe(self.outcome)
        finally:
            self.close()

    def begin(self) -> tuple[str, ...]:
        """Start QEMU, up to the machine's first instruction, where `run` goes on.

        Returns
        -------
        tuple of str
            What CTR_EL0 of the first core promises, by the names of `coldline.rules.profile.SWITCHES`.

        Raises
        ------
        QemuError
            If QEMU cannot be started with the plugin.
        """
        if self._session is None:
            self.outcome.release = check_release(self._machine.program)
            self._session = Session(self._machine, self._plugin_arguments(), self._console)
            try:
                self._session.await_start()
            except BaseException:
                self.close()
                raise
        return self._session.promises

    def close(self) -> None:
        """End QEMU, if it runs."""
        session, self._session = self._session, None
        if session is not None:
            self.outcome.status = session.qemu.status
            self.outcome.complaints = session.qemu.complaints()
            session.close()

    def _plugin_arguments(self) -> list[str]:
        return [
            f"base={self._machine.ram_base:#x}",
            f"size={self._machine.ram_size:#x}",
            f"more-base={self._machine.secure_ram[0]:#x}",
            f"more-size={self._machine.secure_ram[1]:#x}",
            *(f"only={low:#x}:{high:#x}" for low, high in self._only),
            f"barriers={int(self._barriers)}",
            f"filter={int(not self._barriers)}",
            f"reader={os.getpid()}",
        ]

    def _before(self, loaded: Sequence[tuple[int, int]]) -> list[Event]:
        """The events before the first instruction: a loader's map of RAM, and what it leaves in the caches."""
        self._started()
        if self._start == "cold":
            return []
        base, size = self._machine.ram_base, self._machine.ram_size
        events = [Event(LOADER, Op.MAP, *part, MemoryType.NORMAL_WB) for part in self._wanted(base, size)]
        if self._start == "any":  # what lines may hold is said before the first event
            rom = (
                -(-Path(self._machine.rom).stat().st_size // PAGE_SIZE) * PAGE_SIZE
                if self._machine.rom
                else 0
            )
            if rom:
                events += [
                    Event(LOADER, Op.MAP, *part, MemoryType.NORMAL_WB) for part in self._wanted(0, rom)
                ]
                loaded = [*loaded, (0, rom)]
        kept = [part for each in loaded for part in self._wanted(*each)]
        if self._start == "any":
            events += [Event(LOADER, Op.WRITE, *part) for part in kept]
        if self._start == "dirty":
            events += [Event(LOADER, Op.WRITE, *part) for part in self._wanted(base, size)]
        if self._start in ("dirty", "any"):
            events += [Event(LOADER, Op.DC_CVAC, *part) for part in kept]
        return [*events, *(Event(LOADER, Op.UNMAP, *part) for part in self._wanted(base, size))]

    def _wanted(self, base: int, size: int) -> list[tuple[int, int]]:
        """The parts of a range that are wanted."""
        if not self._only:
            return [(base, size)]
        parts = [(max(base, low), min(base + size, high)) for low, high in self._only]
        return [(low, high - low) for low, high in parts if low < high]
