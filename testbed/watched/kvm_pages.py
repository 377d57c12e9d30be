# SPDX-License-Identifier: GPL-2.0-or-later
"""What KVM did to a guest's pages before the guest used them: ``python -m testbed.watched.kvm_pages TRACE``.

The trace is one of ``scripts/testbed watch --host kvm-… --trace``. It is held against the host models of KVM.
"""

import sys
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coldline.events import Op
from coldline.events.batch import Batch
from coldline.hypervisor.observed_pages import who_of
from coldline.trace.files import TraceFile
from testbed.watched.kvm import GUEST

__all__ = ["LoadedPages", "PagesOfGuests"]

_PAGE: Final = 12
_LINE: Final = 6
_RAM_PAGES: Final = (0x4000_0000 + (1 << 30)) >> _PAGE
_USES: Final = (Op.READ, Op.WRITE, Op.FETCH)


class LoadedPages(NamedTuple):
    """The pages that a guest used, which the host has written or zeroed before.

    Attributes
    ----------
    guest : str
        Its name.
    used, cleaned : int
        How many there are, and of how many each line was cleaned and invalidated (DC CIVAC) after the host's last
        write and before the guest's first access.
    executed, invalidated : int
        The same for its first fetch from a page, and instruction caches (IC IVAU, or an operation on all lines).
    """

    guest: str
    used: int
    cleaned: int
    executed: int
    invalidated: int


class PagesOfGuests:
    """Takes a trace's events, and follows the host's writes and maintenance by line."""

    def __init__(self) -> None:
        lines = _RAM_PAGES << _PAGE - _LINE
        self._written = np.full(lines, -1, np.int64)
        self._cleaned = np.full(lines, -1, np.int64)
        self._invalidated = np.full(lines, -1, np.int64)
        self._all_invalidated = -1
        self._used: dict[str, dict[int, bool]] = {}
        self._executed: dict[str, dict[int, bool]] = {}
        self._number = 0

    def take(self, batch: Batch) -> None:
        """Take the next events."""
        rows = batch.rows
        agents = [who_of(agent).who for agent in batch.agents]
        guests = np.array([agent.startswith(GUEST) for agent in agents], bool)[rows["agent"]]
        in_ram = rows["address"] >> np.uint64(_PAGE) < _RAM_PAGES
        uses = np.flatnonzero(guests & in_ram & np.isin(rows["op"], _USES))
        pages = (rows["address"][uses] >> np.uint64(_PAGE)).astype(np.int64)
        names, fetches = rows["agent"][uses].astype(np.int64), rows["op"][uses] == Op.FETCH
        _, first = np.unique(names << 33 | pages << 1 | fetches, return_index=True)
        start = 0
        for at in np.sort(first):
            who, page, end = agents[names[at]], int(pages[at]), int(uses[at])
            used, executed = self._used.setdefault(who, {}), self._executed.setdefault(who, {})
            if page in used and (page in executed or not fetches[at]):
                continue
            self._host(rows[start:end], ~guests[start:end], in_ram[start:end])
            start = end
            lines = slice(page << _PAGE - _LINE, (page + 1) << _PAGE - _LINE)
            written = self._written[lines]
            if written.max() < 0:
                continue
            used.setdefault(page, self._is_later(self._cleaned[lines], written))
            if fetches[at]:
                latest = np.maximum(self._invalidated[lines], self._all_invalidated)
                executed.setdefault(page, self._is_later(latest, written))
        self._host(rows[start:], ~guests[start:], in_ram[start:])

    @staticmethod
    def _is_later(done: NDArray[np.int64], written: NDArray[np.int64]) -> bool:
        return bool(((done > written) | (written < 0)).all())

    def _host(self, rows: NDArray[np.void], mine: NDArray[np.bool_], in_ram: NDArray[np.bool_]) -> None:
        numbers = np.arange(self._number, self._number + len(rows))
        self._number += len(rows)
        everywhere = np.isin(rows["op"], (Op.IC_IALLU, Op.IC_IALLUIS)) & mine
        if everywhere.any():
            self._all_invalidated = int(numbers[everywhere][-1])
        for ops, last in (
            ((Op.WRITE, Op.DC_ZVA), self._written),
            ((Op.DC_CIVAC,), self._cleaned),
            ((Op.IC_IVAU,), self._invalidated),
        ):
            chosen = np.flatnonzero(np.isin(rows["op"], ops) & mine & in_ram)
            begin = (rows["address"][chosen] >> np.uint64(_LINE)).astype(np.int64)
            end = (rows["address"][chosen] + rows["size"][chosen] - np.uint64(1) >> np.uint64(_LINE)).astype(
                np.int64
            )
            for offset in range(int((end - begin).max(initial=0)) + 1):
                there = begin + offset <= np.minimum(end, len(last) - 1)
                last[begin[there] + offset] = numbers[chosen[there]]

    def results(self) -> list[LoadedPages]:
        """Return what was seen of each guest, in the order of their first uses."""
        return [
            LoadedPages(who, len(used), sum(used.values()), len(executed), sum(executed.values()))
            for (who, used), executed in zip(self._used.items(), self._executed.values(), strict=True)
        ]


def main() -> int:
    """Print what was seen in the trace that the command line names."""
    found = PagesOfGuests()
    with TraceFile(sys.argv[1]) as trace:
        trace.run(found.take)
    for each in found.results():
        print(
            f"{each.guest}: {each.used:,} pages used, {each.cleaned:,} of them cleaned and invalidated before; "
            f"{each.executed:,} executed, instruction caches invalidated before on {each.invalidated:,}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
