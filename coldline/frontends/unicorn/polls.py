# SPDX-License-Identifier: GPL-2.0-or-later
"""Drops the events of polls: of iterations of a loop that change nothing and are followed by another like them.

A core that waits for another one's store reads until it sees it. What such a read returned did not matter: only the
last read, which left the loop, is judged. An iteration is a poll if the next one has the same events, and neither of
them stores, accesses a device or writes a system register. Nothing is lost with it: speculation may fill any line
that its reads fill, and the last iteration fetches the same code.

A turn ends at the head of such a loop, so that no iteration is cut in two. `s` is the record of
`coldline.frontends.unicorn.state`. Imported only to compile.
"""

from typing import Any

from coldline.events.appending import forget_notes
from coldline.jit.intrinsics import compiled, load64, uint64
from coldline.mmu.view import NOWHERE
from coldline.support.hashing import GOLDEN

_GOLDEN = uint64(GOLDEN)
LONGEST_OVERRUN = 256
"""Instructions by which a turn may be longer than its limit."""


@compiled
def _digest(s: Any) -> Any:
    """A digest of the events since the head of the loop."""
    digest = s.fill - s.loop_fill
    for index in range(s.loop_fill, s.fill):
        digest = (digest ^ load64(s.events + uint64(index) * uint64(8))) * _GOLDEN
    return digest


@compiled
def follow_loop(s: Any, address: Any) -> None:
    """Follow the start of a block: where it is the head of a loop again, drop the polls before it."""
    backwards = address <= s.last_block
    s.last_block = address
    if not backwards:
        return
    if address != s.loop_head or s.effects != s.loop_effects:
        s.loop_head, s.loop_effects = address, s.effects
        s.loop_fill, s.loop_count = s.fill, s.count
        s.loop_digest, s.loop_repeats, s.polling = uint64(0), uint64(0), uint64(0)
        return
    if s.fill == s.loop_fill:
        return  # the emulator was stopped before this block, and has come to it again: no iteration
    s.loop_repeats = uint64(1)
    digest = _digest(s)
    if digest != s.loop_digest:
        s.loop_digest, s.polling = digest, uint64(0)
        s.loop_before_fill, s.loop_before_count = s.loop_fill, s.loop_count
        s.loop_fill, s.loop_count = s.fill, s.count
        return
    if not s.polling:
        _drop_equal_ones(s)
        s.polling = uint64(1)
    s.fill, s.count = s.loop_fill, s.loop_count
    s.next_choice = uint64(0)
    forget_notes(s)


@compiled
def _drop_equal_ones(s: Any) -> None:
    """Let the loop begin at the first of all iterations before the last one that have the same events."""
    words, events = s.loop_fill - s.loop_before_fill, s.loop_count - s.loop_before_count
    first, count = s.loop_before_fill, s.loop_before_count
    same = words > uint64(0)
    while same and first >= words:
        for index in range(words):
            before = load64(s.events + (first - words + uint64(index)) * uint64(8))
            same = same and before == load64(s.events + (s.loop_before_fill + uint64(index)) * uint64(8))
        if same:
            first -= words
            count -= events
    s.loop_fill, s.loop_count = first, count


@compiled
def at_limit(s: Any, address: Any) -> bool:
    """Return whether a core whose turn is over stops before this block."""
    in_loop = s.loop_head != uint64(NOWHERE) and s.effects == s.loop_effects
    if not s.several or not in_loop or (address == s.loop_head and (s.polling or not s.loop_repeats)):
        return True
    if s.overrun == uint64(0):
        s.overrun = s.instructions + uint64(LONGEST_OVERRUN)
    return s.instructions >= s.overrun
