# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the copies of a program's code in memory: of firmware that moves itself, or of a kernel that was unpacked."""

from collections.abc import Iterator, Sequence
from typing import Final

from coldline.symbols.program import CodePart, Program

_PROBE: Final = 64
"""Bytes that are searched for."""

_PROBES: Final = 16
"""How many places of the code are searched for, as some may have been patched."""

_LOOKED_AT: Final = 4096
"""How many places are looked at for these."""

_LEAST_WORDS: Final = 8
"""The fewest different words of a probe, so that it is no padding."""

_COMPARED: Final = 1 << 20
"""Bytes of a section that are compared."""

_ALIKE: Final = 0.9
"""The least part of the words that has to be equal: code is patched as it is moved."""

_MOST: Final = 4
"""The most copies."""

MemoryRanges = Sequence[tuple[int, bytes]]
"""Ranges of memory: the physical address of the first byte of each, and its bytes."""


def find_copies(program: Program, memory: MemoryRanges) -> list[int]:
    """Find where a program's code is.

    Parameters
    ----------
    program : Program
        The program.
    memory : sequence of (int, bytes)
        The ranges of memory to look in.

    Returns
    -------
    list of int
        For each copy what it adds to the physical addresses as linked, the one that differs least first.
    """
    code = max(program.code, key=lambda part: len(part.data), default=None)
    if code is None:
        return []
    found: dict[int, float] = {}
    tried: set[int] = set()
    for offset in _probes(code.data):
        probe = code.data[offset : offset + _PROBE]
        for start in _occurrences(memory, probe):
            base = start - offset
            if base in tried:
                continue
            tried.add(base)
            alike = _alike(code, memory, base)
            if alike >= _ALIKE:
                found[base - code.physical] = alike
            if len(tried) >= _MOST * _PROBES or len(found) >= _MOST:
                break
    return sorted(found, key=lambda by: (-found[by], by))


def _probes(data: bytes) -> list[int]:
    """Offsets of code that is no padding, spread over all of it."""
    step = max(_PROBE, len(data) // _LOOKED_AT & ~3)
    good = [
        offset
        for offset in range(0, len(data) - _PROBE + 1, step)
        if len(set(memoryview(data[offset : offset + _PROBE]).cast("I"))) >= _LEAST_WORDS
    ]
    return good[:: max(len(good) // _PROBES, 1)][:_PROBES]


def _occurrences(memory: MemoryRanges, probe: bytes) -> Iterator[int]:
    for base, data in memory:
        at = data.find(probe)
        while at >= 0:
            yield base + at
            at = data.find(probe, at + 4)


def _alike(code: CodePart, memory: MemoryRanges, base: int) -> float:
    """The part of the words of some code that are the same at an address."""
    wanted = code.data[:_COMPARED]
    for start, data in memory:
        offset = base - start
        if offset >= 0 and offset + len(wanted) <= len(data):
            words = memoryview(wanted[: len(wanted) & ~3]).cast("I")
            there = memoryview(data[offset : offset + len(words) * 4]).cast("I")
            pairs = [one == other for one, other in zip(words, there, strict=True) if one]
            return sum(pairs) / len(pairs) if pairs else 0.0
    return 0.0
