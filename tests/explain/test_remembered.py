# SPDX-License-Identifier: GPL-2.0-or-later
"""What is remembered is what the function gives, and never more than is allowed."""

from coldline.explain.remembered import Remembered


def test_a_function_is_called_once_until_its_results_are_too_large() -> None:
    calls: list[int] = []

    def squares(count: int) -> list[int]:
        calls.append(count)
        return [number * number for number in range(count)]

    remembered = Remembered(squares, len, 10)
    for count in (4, 5, 4, 5):
        assert remembered(count) == [number * number for number in range(count)]
    assert (calls, remembered.size, remembered.forgot) == ([4, 5], 9, 0)
    assert remembered(3) == [0, 1, 4]  # 4 and 5 and 3 are too many
    assert (remembered.size, remembered.forgot) == (3, 1)
    assert remembered(4) == [0, 1, 4, 9]
    assert calls == [4, 5, 3, 4]


def test_one_result_that_is_too_large_is_the_only_one() -> None:
    remembered = Remembered(lambda count: [0] * count, len, 10)
    for count in (20, 1, 20):
        assert len(remembered(count)) == count
        assert remembered.size <= 20
