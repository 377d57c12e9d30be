# SPDX-License-Identifier: GPL-2.0-or-later
"""The first difference of two runs is that of the instructions, however they are divided into blocks of code."""

import random

import pytest

from coldline.consequence import difference
from coldline.consequence.difference import first_difference
from coldline.consequence.result import Divergence
from coldline.frontends.unicorn.recorded_run import Blocks
from tests.helpers.effort import examples


def blocks(*listed: tuple[int, int]) -> Blocks:
    made = Blocks()
    for start, size in listed:
        made.starts.append(start)
        made.sizes.append(size)
    return made


def instructions(of: Blocks) -> list[int]:
    return [
        pc for start, size in zip(of.starts, of.sizes, strict=True) for pc in range(start, start + size, 4)
    ]


def divided(code: list[int], chance: random.Random) -> Blocks:
    """The same instructions in other blocks: one ends wherever the next instruction is elsewhere, or by chance."""
    made = Blocks()
    for pc in code:
        follows = len(made) and made.starts[-1] + made.sizes[-1] == pc and chance.random() < 0.7
        if follows:
            made.sizes[-1] += 4
        else:
            made.starts.append(pc)
            made.sizes.append(4)
    return made


def test_a_branch_the_other_way() -> None:
    before = blocks((0x1000, 16), (0x1014, 8), (0x2000, 4))
    after = blocks((0x1000, 16), (0x1010, 12), (0x2000, 4))
    assert first_difference(before, 0, after) == (Divergence(0x1000, 0x1014, 0x1010, 1), 1)


def test_it_begins_at_a_block() -> None:
    before = blocks((0x5000, 4), (0x1000, 16), (0x1014, 8))
    assert first_difference(before, 1, blocks((0x1000, 16), (0x1014, 8))) == (None, 2)
    assert first_difference(before, 0, blocks((0x1000, 16))) == (Divergence(None, 0x5000, 0x1000, 0), 0)


def test_a_run_that_ends_earlier_differs() -> None:
    before, after = blocks((0x1000, 8), (0x2000, 8)), blocks((0x1000, 8))
    assert first_difference(before, 0, after)[0] == Divergence(0x1000, 0x2000, None, 1)
    assert first_difference(after, 0, before)[0] == Divergence(0x1000, None, 0x2000, 1)


def test_what_was_not_recorded_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difference, "MOST_BLOCKS", 1)
    before, after = blocks((0x1000, 8), (0x2000, 8)), blocks((0x1000, 8))
    assert first_difference(before, 0, after) == (None, 1)


@pytest.mark.parametrize("seed", range(examples(200)))
def test_any_runs(seed: int) -> None:
    chance = random.Random(seed)
    starts = [chance.randrange(8) * 0x100 for _ in range(6)]
    code = [pc for start in starts for pc in range(start, start + 4 * chance.randint(1, 5), 4)]
    other = code[:]
    if chance.random() < 0.7:
        at = chance.randrange(len(code))
        other[at:] = [0x9000] if chance.random() < 0.7 else []
    found, _ = first_difference(divided(code, chance), 0, divided(other, chance))
    pairs = enumerate(zip(code, other, strict=False))
    at = next((i for i, (one, two) in pairs if one != two), min(len(code), len(other)))
    expected = [each[at] if at < len(each) else None for each in (code, other)]
    if expected == [None, None]:
        assert found is None
    else:
        assert found is not None
        assert [found.was, found.now] == expected
        assert (found.after is None) == (at == 0)
