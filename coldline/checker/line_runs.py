# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of lines with the same hazards."""

from collections.abc import Iterable, Iterator

from coldline.checker.state.lines import Badness


def joined_lines(
    found: Iterable[tuple[int, int, tuple[Badness, ...]]], line: int
) -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
    """Join sorted runs of lines that are adjacent and have the same hazards."""
    held: tuple[int, int, tuple[Badness, ...]] | None = None
    for address, lines, badness in found:
        if held is not None and held[0] + held[1] * line == address and held[2] == badness:
            held = (held[0], held[1] + lines, badness)
        else:
            if held is not None:
                yield held
            held = (address, lines, badness)
    if held is not None:
        yield held
