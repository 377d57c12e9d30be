# SPDX-License-Identifier: GPL-2.0-or-later
"""The first instruction that differs between two runs, from the blocks of code that they executed."""

from itertools import islice

from coldline.consequence.result import Divergence
from coldline.frontends.unicorn.recorded_run import MOST_BLOCKS, Blocks


def first_difference(before: Blocks, begin: int, after: Blocks) -> tuple[Divergence | None, int]:
    """Compare the code of two runs, of the first one from block number `begin` on.

    An emulator may divide the same code into other blocks.

    Returns
    -------
    Divergence or None
        The first difference; None if there is none, or none among the blocks that were recorded.
    int
        How many blocks of the second run are the same.
    """
    ours = zip(islice(before.starts, begin, None), islice(before.sizes, begin, None), strict=True)
    theirs = zip(after.starts, after.sizes, strict=True)
    last: int | None = None
    blocks = 0
    was = next(ours, None)
    now = next(theirs, None)
    while was is not None and now is not None:
        if was[0] != now[0]:
            return Divergence(last, was[0], now[0], blocks), blocks
        last = now[0]
        if was[1] == now[1]:
            blocks += 1
            was, now = next(ours, None), next(theirs, None)
            continue
        size = min(was[1], now[1])
        blocks += now[1] == size
        was = (was[0] + size, was[1] - size) if was[1] > size else next(ours, None)
        now = (now[0] + size, now[1] - size) if now[1] > size else next(theirs, None)
    if (was is None and len(before) >= MOST_BLOCKS) or (now is None and len(after) >= MOST_BLOCKS):
        return None, blocks
    if was is None and now is None:
        return None, blocks
    return Divergence(last, was[0] if was else None, now[0] if now else None, blocks), blocks
