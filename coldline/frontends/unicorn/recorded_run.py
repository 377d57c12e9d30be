# SPDX-License-Identifier: GPL-2.0-or-later
"""Records the code that a run executes from some places on, and what its memory holds at the end."""

import zlib
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from unicorn import unicorn_const as const

from coldline.frontends.unicorn.follower import Follower
from coldline.frontends.unicorn.turns import END_OF_TIME
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.frontends.unicorn.vcpu import Vcpu

MOST_BLOCKS: Final = 4_000_000
"""The most blocks of code that are recorded of a core."""


class RunMark(NamedTuple):
    """A place in a run: a vCPU, and how many instructions it has executed before a block of code."""

    core: int
    instructions: int


def stop_soon(vcpu: "Vcpu") -> None:
    """Have a vCPU that runs stopped before its next block of code, for `Follower.stopped`."""
    vcpu.state["limit"] = 0


class Blocks:
    """The blocks of code that a core executed: their virtual addresses, and their sizes in bytes."""

    def __init__(self) -> None:
        self.starts, self.sizes = array("Q"), array("I")

    def __len__(self) -> int:
        return len(self.starts)


class RecordedRun(Follower):
    """Follows a run and records it.

    Parameters
    ----------
    marks : sequence of RunMark
        The places from which the code is compared with another run's.

    Attributes
    ----------
    blocks : dict of int to Blocks
        The blocks of each core that has a mark, from its first mark on.
    begins : dict of RunMark to int
        For each mark that was reached the index of the block after it.
    pages : dict of int to int
        A checksum of each page of RAM that the guest has used, at the end.
    """

    def __init__(self, marks: Sequence[RunMark]) -> None:
        super().__init__()
        self._ahead = sorted(set(marks))
        self.blocks: dict[int, Blocks] = {}
        self.begins: dict[RunMark, int] = {}
        self.pages: dict[int, int] = {}
        self._hooks: dict[int, int] = {}

    def next_stop(self, vcpu: "Vcpu") -> int:
        """See `Follower.next_stop`."""
        ahead = (mark.instructions for mark in self._ahead if mark.core == vcpu.number)
        return min(ahead, default=END_OF_TIME)

    def stopped(self, vcpu: "Vcpu") -> None:
        """See `Follower.stopped`."""
        now = vcpu.state["instructions"]
        for mark in [mark for mark in self._ahead if mark.core == vcpu.number and mark.instructions <= now]:
            self._ahead.remove(mark)
            if vcpu.number not in self.blocks:
                self._record(vcpu)
            self.begins[mark] = len(self.blocks[vcpu.number])
            self.reached(vcpu, mark)
        blocks = self.blocks.get(vcpu.number)
        if blocks is not None and len(blocks) >= MOST_BLOCKS:
            handle = self._hooks.pop(vcpu.number, None)
            if handle is not None:
                vcpu.emulator.hook_del(handle)

    def reached(self, vcpu: "Vcpu", mark: RunMark) -> None:
        """Take a vCPU that is at a mark, before a block of code."""

    def _record(self, vcpu: "Vcpu") -> None:
        blocks = self.blocks[vcpu.number] = Blocks()
        starts, sizes = blocks.starts, blocks.sizes

        def on_block(_: Any, address: int, size: int, __: Any) -> None:
            if len(starts) < MOST_BLOCKS:
                starts.append(address)
                sizes.append(size)
            else:
                stop_soon(vcpu)

        self._hooks[vcpu.number] = vcpu.emulator.hook_add(const.UC_HOOK_BLOCK, on_block)
        vcpu.forget_code()

    def ended(self, used: list[tuple[int, int]]) -> None:
        """See `Follower.ended`."""
        view = self.vcpus[0].state.view
        for start, size in used:
            for page in range(start, start + size, PAGE_SIZE):
                self.pages[page] = zlib.crc32(view.bytes_at(page, PAGE_SIZE))
