# SPDX-License-Identifier: GPL-2.0-or-later
"""The values that options take, and their defaults."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from coldline.errors import UsageError
from coldline.support.units import MIB

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Any]
    """argparse's collection of subcommands, to which each command's parser is added."""

_UNITS = {"K": 1 << 10, "M": MIB, "G": 1 << 30, "T": 1 << 40}

DEFAULT_STRATEGY: Final = "uncached"
DEFAULT_HOST: Final = "rfc"
DEFAULT_MACHINE: Final = "xenvm"
DEFAULT_RAM: Final = "256M"
DEFAULT_CORES: Final = {"arm64": "armv8-a", "arm32": "armv7-a"}
TRACE_FORMS: Final = ("text", "binary")
SHELLS: Final = ("bash", "zsh", "fish")
MAX_INSTRUCTIONS: Final = 4_000_000_000


def count(text: str) -> int:
    """Parse an integer from 0 to 2^63 - 1, for argparse."""
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) >= 1 << 63:
        raise argparse.ArgumentTypeError(f"invalid number '{text}': expected a non-negative integer")
    return int(text)


def address(text: str) -> int:
    """Parse an address below 2^64, for argparse: hexadecimal after ``0x``, else decimal."""
    try:
        value = int(text[:32], 0) if text.isascii() else -1
    except ValueError:
        value = -1
    if len(text) > 32 or not 0 <= value < 1 << 64:
        raise argparse.ArgumentTypeError(f"invalid address '{text}': expected a number such as 0x40080000")
    return value


def byte_size(text: str) -> int:
    """Parse a size like `size`, but a number without a unit is bytes, and may be hexadecimal after ``0x``."""
    is_bare = text[:2].lower() == "0x" or (text[:1].isdigit() and text[-1:].isdigit())
    return address(text) if is_bare else size(text)


def size(text: str) -> int:
    """Parse a size: a number with K, M, G or T (``512M``, ``1G``, ``1GiB``); a bare number is MiB, as with `xl`.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    UsageError
        If it is not a size.
    """
    word = text.strip().upper().removesuffix("IB").removesuffix("B")
    unit = _UNITS.get(word[-1:], 0)
    digits = word[:-1] if unit else word
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise UsageError(f"invalid size '{text}': expected a number such as 512M or 1G")
    return int(digits) * (unit or _UNITS["M"])
