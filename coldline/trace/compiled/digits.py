# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers in text, eight digits at a time in a 64-bit word: the first digit is the lowest byte."""

from coldline.jit.intrinsics import compiled, leading_zeros, load16, load64, store64, uint64

_1, _8, _16, _64 = (uint64(number) for number in (1, 8, 16, 64))
_ALL = uint64((1 << 64) - 1)


def _of_bytes(byte: int) -> int:
    """A word with `byte` in each of its bytes."""
    return uint64(byte * 0x0101010101010101)


_HIGH, _ZEROS, _LOWER_CASE, _BEFORE_A = (_of_bytes(byte) for byte in (0x80, 0x30, 0x20, 0x60))
_NIBBLE, _ONE = _of_bytes(0x0F), _of_bytes(1)
_FROM_10, _FROM_7, _FROM_1 = (_of_bytes(0x80 - least) for least in (10, 7, 1))
_PAIRS, _FOURS, _EIGHT = uint64(0x00FF00FF00FF00FF), uint64(0x0000FFFF0000FFFF), uint64(0xFFFFFFFF)
_9, _10, _100, _10000 = (uint64(number) for number in (9, 10, 100, 10000))
_4, _32 = uint64(4), uint64(32)
_PREFIX = uint64(int.from_bytes(b"0x", "little"))
_2 = uint64(2)
_TO_LETTERS, _LETTER_OVER_DIGIT = _of_bytes(16 - 10), uint64(ord("a") - 10 - ord("0"))

WRONG = _ALL
"""Stands for no number."""


@compiled
def _hexadecimal_word(at: int, count: int) -> int:
    """The number that 1 to 8 hexadecimal digits at an address are, or `WRONG`."""
    shift = _64 - (count << uint64(3))
    text = load64(at) << shift
    lower = text | _LOWER_CASE
    digit = lower ^ _ZEROS
    letter = lower ^ _BEFORE_A
    valid = ~(digit + _FROM_10) | (~(letter + _FROM_7) & (letter + _FROM_1))
    if (text | ~valid) & _HIGH & (_ALL << shift) != uint64(0):
        return WRONG
    value = (text & _NIBBLE) + _9 * (text >> uint64(6) & _ONE)
    value = (value << _4 | value >> _8) & _PAIRS
    value = (value << _8 | value >> _16) & _FOURS
    return (value << _16 | value >> _32) & _EIGHT


@compiled
def hexadecimal(at: int, count: int) -> int:
    """The number that `count` hexadecimal digits at an address are, or `WRONG` if there are none or more than 15."""
    if count - _1 < _8:
        return _hexadecimal_word(at, count)
    if count - _1 >= uint64(15):
        return WRONG
    high = _hexadecimal_word(at, count - _8)
    low = _hexadecimal_word(at + count - _8, _8)
    if high == WRONG or low == WRONG:
        return WRONG
    return high << _32 | low


@compiled
def number(at: int, count: int) -> int:
    """The number that `count` characters at an address are, decimal or after ``0x`` hexadecimal, or `WRONG`.

    It is also `WRONG` for more than 8 decimal digits.
    """
    if count - _1 < _8:
        shift = _64 - (count << uint64(3))
        digits = (load64(at) ^ _ZEROS) << shift
        if ((digits + _FROM_10) | digits) & _HIGH == uint64(0):
            digits = (digits * _10 + (digits >> _8)) & _PAIRS
            digits = (digits * _100 + (digits >> _16)) & _FOURS
            return (digits * _10000 + (digits >> _32)) & _EIGHT
    if load16(at) != _PREFIX:
        return WRONG
    return hexadecimal(at + _2, count - _2)


@compiled
def _put_word(at: int, value: int, zeros: int) -> int:
    """Write the hexadecimal digits of a number of 32 bits without so many of its leading zeros; return their end."""
    digits = (value >> _16 | value << _32) & _FOURS
    digits = (digits >> _8 | digits << _16) & _PAIRS
    digits = (digits >> _4 | digits << _8) & _NIBBLE
    letters = (digits + _TO_LETTERS) >> _4 & _ONE
    store64(at, (digits + _ZEROS + letters * _LETTER_OVER_DIGIT) >> (zeros << uint64(3)))
    return at + _8 - zeros


@compiled
def put_hexadecimal(at: int, value: int) -> int:
    """Write a number's hexadecimal digits to an address; return their end. It may touch 16 bytes."""
    high = value >> _32
    if high != uint64(0):
        at = _put_word(at, high, (leading_zeros(high) - _32) >> uint64(2))
        return _put_word(at, value & _EIGHT, uint64(0))
    return _put_word(at, value, (leading_zeros(value | _1) - _32) >> uint64(2))
