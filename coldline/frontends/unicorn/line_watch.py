# SPDX-License-Identifier: GPL-2.0-or-later
"""Watches lines of RAM in a run: what they held just before an event, and where the run was at another one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from unicorn import unicorn_const as const

from coldline.events import Op
from coldline.frontends.unicorn.follower import Follower, Ram
from coldline.frontends.unicorn.line_hooks import BEFORE_WRITE, LineHooks

if TYPE_CHECKING:
    from coldline.events import Event
    from coldline.events.batch import Batch
    from coldline.frontends.unicorn.vcpu import Vcpu

_BLOCK: Final = 1 << 12
"""Bytes: a block of code is not longer."""

_MOST_CONTENTS: Final = 64


class WatchedLines(NamedTuple):
    """Lines to watch.

    Attributes
    ----------
    address, size, line : int
        The lines, and the bytes of each.
    before : int
        The number of the event before which their bytes are wanted.
    event : int
        The number of the event at which the run's place is wanted.
    pc, core : int
        The instruction that makes that event, and its vCPU.
    """

    address: int
    size: int
    line: int
    before: int
    event: int
    pc: int
    core: int


@dataclass
class Seen:
    """What was seen of lines.

    Attributes
    ----------
    lines : dict of int to bytes
        The bytes of each line just before the event that was given.
    contents : dict of int to set of bytes
        The different bytes that each line has had until the other event, at most `_MOST_CONTENTS`.
    stop : int or None
        The number of instructions of the vCPU before the block of code that makes the other event; None if it was not
        seen.
    unsure : bool
        Whether a DC ZVA changed a line unseen.
    """

    lines: dict[int, bytes] = field(default_factory=dict)
    contents: dict[int, set[bytes]] = field(default_factory=dict)
    stop: int | None = None
    unsure: bool = False


class LineWatch(Follower):
    """Follows a run and watches lines.

    Parameters
    ----------
    wanted : sequence of WatchedLines
        The lines, each of which may be wanted several times.

    Attributes
    ----------
    seen : list of Seen
        What was seen of each.
    """

    def __init__(self, wanted: Sequence[WatchedLines]) -> None:
        super().__init__()
        self._wanted = wanted
        self.seen = [Seen() for _ in wanted]
        self._hooks: list[LineHooks] = []
        self._held: list[dict[int, bytes]] = [{} for _ in wanted]

    def host_did(self, event: "Event", ram: Ram) -> None:
        """See `Follower.host_did`: the bytes before a write are those that were seen last."""
        number = self._events
        super().host_did(event, ram)
        if event.op not in (Op.WRITE, Op.DC_ZVA):
            return
        for index, each in enumerate(self._wanted):
            held = self._held[index]
            for line in _lines(each, event.address, event.address + event.size):
                self._note(index, line, number, held.get(line, bytes(each.line)))
                held[line] = ram(line, each.line)

    def handed_over(self, batch: "Batch") -> None:
        """See `Follower.handed_over`."""
        rows = batch.rows
        for row in rows[rows["op"] == Op.DC_ZVA] if (rows["op"] == Op.DC_ZVA).any() else ():
            start, end = int(row["address"]), int(row["address"]) + int(row["size"])
            for seen, each in zip(self.seen, self._wanted, strict=True):
                seen.unsure = seen.unsure or any(True for _ in _lines(each, start, end))
        super().handed_over(batch)

    def started(self, vcpu: "Vcpu") -> None:
        """See `Follower.started`."""
        super().started(vcpu)
        for index, each in enumerate(self._wanted):
            self._watch(vcpu, index, each)

    def _watch(self, vcpu: "Vcpu", index: int, each: WatchedLines) -> None:
        def on_write(low: int, high: int) -> None:
            number = self.number(vcpu) - 1
            for line in _lines(each, low, high):
                self._note(index, line, number, vcpu.state.view.bytes_at(line, each.line))

        def on_block(_: Any, __: int, size: int, ___: Any) -> None:
            if self.number(vcpu) - 1 <= each.event:
                after = vcpu.state["instructions"]
                self.seen[index].stop = after - vcpu.core_state.instructions_in(size)

        self._hooks.append(LineHooks(vcpu, BEFORE_WRITE, each.address, each.address + each.size, on_write))
        if vcpu.number == each.core:
            begin = max(each.pc - _BLOCK, 0)
            vcpu.emulator.hook_add(const.UC_HOOK_BLOCK, on_block, begin=begin, end=each.pc)

    def _note(self, index: int, line: int, number: int, content: bytes) -> None:
        """Note the bytes of a line before event `number`, which writes them."""
        each, seen = self._wanted[index], self.seen[index]
        contents = seen.contents.setdefault(line, set())
        if number <= each.event and len(contents) < _MOST_CONTENTS:
            contents.add(content)
        if number >= each.before:
            seen.lines.setdefault(line, content)

    def ended(self, used: list[tuple[int, int]]) -> None:
        """See `Follower.ended`: what was not written since is as it was."""
        for each, seen in zip(self._wanted, self.seen, strict=True):
            for line in _lines(each, each.address, each.address + each.size):
                content = self.vcpus[0].state.view.bytes_at(line, each.line)
                seen.lines.setdefault(line, content)
                contents = seen.contents.setdefault(line, set())
                if len(contents) < _MOST_CONTENTS:
                    contents.add(content)


def _lines(each: WatchedLines, start: int, end: int) -> range:
    """The addresses of the lines that a range of bytes touches."""
    low, high = max(start, each.address), min(end, each.address + each.size)
    return range(low - low % each.line, high, each.line) if low < high else range(0)
