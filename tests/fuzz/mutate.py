# SPDX-License-Identifier: GPL-2.0-or-later
"""Random changes to seed files, for short runs, and if no coverage-guided fuzzer is installed."""

import random
from collections.abc import Sequence
from typing import Literal

from .target import MOST_BYTES

_NUMBERS = (0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
            (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip


def mutant(seeds: Sequence[bytes], source: random.Random, most: int = MOST_BYTES) -> bytes:
    """One of `seeds`, with one to eight changes."""
    data = bytearray(source.choice(seeds))
    for _ in range(1 << source.randrange(4)):
        source.choice(_CHANGES)(data, seeds, source)
    return bytes(data[:most])


def _flip(data: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def _byte(data: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    if data:
        data[source.randrange(len(data))] = source.randrange(256)


def _number(data: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    size = source.choice((1, 2, 4, 4, 8))
    at = source.randrange(len(data) + 1) & ~(source.choice((1, size)) - 1)
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    order = source.choice(orders)
    old = int.from_bytes(data[at : at + size], order)
    new = source.choice((*_NUMBERS, old + 1, old - 1, old + source.randrange(-64, 64), len(data), old * 2))
    data[at : at + size] = (new % (1 << 8 * size)).to_bytes(size, order)


def _cut(data: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    del data[source.randrange(len(data) + 1) :]


def _remove(data: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    start = source.randrange(len(data) + 1)
    del data[start : start + source.randrange(1, 40)]


def _repeat(data: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    start = source.randrange(len(data) + 1)
    part = data[start : start + source.randrange(1, 80)]
    data[start:start] = part * source.choice((1, 1, 2, 30))


def _splice(data: bytearray, seeds: Sequence[bytes], source: random.Random) -> None:
    other = source.choice(seeds)
    start = source.randrange(len(other) + 1)
    at = source.randrange(len(data) + 1)
    data[at:] = other[start:]


_CHANGES = (_flip, _flip, _byte, _byte, _number, _number, _number, _number, _cut, _remove, _repeat, _splice)
