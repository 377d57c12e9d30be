# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine under QEMU as a source of events."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from coldline.arm import MemoryType
from coldline.errors import QemuError
from coldline.events.event import Event
from coldline.events.op import Op
from coldline.events.source import Sink
from coldline.frontends.qemu.agents import LOADER
from coldline.frontends.qemu.command_line import CommandLine, check_release, rewritten
from coldline.frontends.qemu.outcome import Watched
from coldline.frontends.qemu.plugin import write_plugin
from coldline.frontends.qemu.process import Qemu
from coldline.frontends.qemu.reader import Reader
from coldline.frontends.qemu.ring import RecordRing, memory_file
from coldline.jit import code_cache, programs
from coldline.support.units import PAGE_SIZE

"""The module of the compiled loop."""


class Watch:
    """The events of a machine, from its first instruction to QEMU's end.

    Parameters
    ----------
    machine : CommandLine
        The command line.
    start : str
        One of `START_STATES`.
    only : (int, int) or None
        The physical address and the size of the range whose accesses are wanted; None for all of RAM.
    barriers : bool
        Whether barriers are wanted.
    line : int
        Bytes of a cache line.
    names : mapping of int to str, optional
        The names of guests, by their VMIDs.
    console : callable
        Gets what QEMU writes on standard output, such as ``-serial stdio``, in a thread.
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
        only: tuple[int, int] | None = None,
        barriers: bool = False,
        line: int = 64,
        names: Mapping[int, str] | None = None,
        console: Callable[[bytes], None] = lambda text: None,
        progress: Callable[[int, int], None] = lambda instructions, accesses: None,
    ) -> None:
        self.outcome = Watched()
        self._machine, self._start, self._only = machine, start, only
        self._barriers, self._line, self._names = barriers, line, names
        self._console, self._progress = console, progress
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
        self.outcome.release = check_release(self._machine.program)
        code = code_cache.load_code(programs.QEMU)
        with tempfile.TemporaryDirectory(prefix="coldline-") as folder:
            plugin = write_plugin(Path(folder))
            ring, ram = RecordRing(), memory_file("coldline-ram", self._machine.ram_size)
            qemu = None
            try:
                words = rewritten(
                    self._machine,
                    ram=f"/proc/{os.getpid()}/fd/{ram}",
                    plugin=",".join([os.fspath(plugin), *self._plugin_arguments(ring)]),
                )
                qemu = Qemu(words, self._console)
                reader = Reader(
                    self._machine, ring, ram, qemu, code, sink, instructions=instructions, names=self._names
                )
                reader.machine["line"], reader.machine["filters"] = self._line, not self._barriers
                reader.machine["low"], reader.machine["high"] = self._range
                try:
                    reader.read(self._before, self._progress)
                finally:
                    reader.describe(self.outcome)
            finally:
                ring.close()
                if qemu is not None:
                    self.outcome.status = qemu.status
                    self.outcome.complaints = qemu.complaints()
                    qemu.close()
                os.close(ram)

    @property
    def _range(self) -> tuple[int, int]:
        if self._only:
            return self._only[0], sum(self._only)
        ranges = [(self._machine.ram_base, self._machine.ram_size), self._machine.secure_ram]
        return min(base for base, size in ranges if size), max(map(sum, ranges))

    def _plugin_arguments(self, ring: RecordRing) -> list[str]:
        low, high = self._range
        return [
            f"ring={ring.path}",
            "ram=memfd:coldline-ram",
            f"base={self._machine.ram_base:#x}",
            f"size={self._machine.ram_size:#x}",
            f"more-base={self._machine.secure_ram[0]:#x}",
            f"more-size={self._machine.secure_ram[1]:#x}",
            f"low={low:#x}",
            f"high={high:#x}",
            f"barriers={int(self._barriers)}",
            f"filter={int(not self._barriers)}",
            f"reader={os.getpid()}",
        ]

    def _before(self, loaded: Sequence[tuple[int, int]]) -> list[Event]:
        """The events before the first instruction: a loader's map of RAM, and what it leaves in the caches."""
        base, size = self._machine.ram_base, self._machine.ram_size
        if self._start == "cold":
            return []
        events = [Event(LOADER, Op.MAP, base, size, MemoryType.NORMAL_WB)]
        if self._start == "any":  # what lines may hold is said before the first event
            rom = (
                -(-Path(self._machine.rom).stat().st_size // PAGE_SIZE) * PAGE_SIZE
                if self._machine.rom
                else 0
            )
            if rom:
                events.append(Event(LOADER, Op.MAP, 0, rom, MemoryType.NORMAL_WB))
                loaded = [*loaded, (0, rom)]
            events += [Event(LOADER, Op.WRITE, address, length) for address, length in loaded]
        if self._start == "dirty":
            events.append(Event(LOADER, Op.WRITE, base, size))
        if self._start in ("dirty", "any"):
            events += [Event(LOADER, Op.DC_CVAC, address, length) for address, length in loaded]
        return [*events, Event(LOADER, Op.UNMAP, base, size)]
