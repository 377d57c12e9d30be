# SPDX-License-Identifier: GPL-2.0-or-later
"""The symbols of a guest: those of ``--symbols``, or of the image if it is an ELF file that has them."""

import argparse
import os
import re
from typing import TYPE_CHECKING

from coldline.errors import ImageError, MissingDependencyError
from coldline.guest import Plan
from coldline.image import Kernel

if TYPE_CHECKING:
    from coldline.symbols.symbols import Symbols

_PACKED = ("zImage",)
"""The formats whose code unpacks itself."""


def symbols_of(options: argparse.Namespace, kernel: Kernel, plan: Plan) -> "Symbols | None":
    """The symbols of a guest; None if it has none and none were given.

    Raises
    ------
    ImageError
        If the file of ``--symbols`` is broken, stripped, or of another program.
    MissingDependencyError
        If pyelftools is not installed.
    """
    if options.symbols is None and not (kernel.format == "ELF" and not kernel.layers):
        return None
    from coldline.symbols.symbols import LoadedRange, read_symbols

    path, moved_by = _file_and_offset(options.symbols or kernel.path)
    segments = [each for each in plan.segments if each.name not in ("initrd", "dtb")]
    loaded = [LoadedRange(each.address, bytes(each.data[:]), each.size) for each in segments]
    packed = kernel.format in _PACKED
    try:
        return read_symbols(
            path,
            loaded,
            packed=packed,
            source_prefix=options.source_prefix or "",
            moved_by=moved_by,
        )
    except (ImageError, MissingDependencyError):
        if options.symbols is None:
            return None  # most ELF files that are booted are stripped
        raise


def _file_and_offset(word: str) -> tuple[str, int]:
    """The file of FILE@OFFSET, and the offset; 0 without one. A file of the whole name is that file."""
    path, at, offset = word.rpartition("@")
    if not at or not path or os.path.exists(word):
        return word, 0
    digits = offset.removeprefix("-")
    if not re.fullmatch("0x[0-9a-fA-F]{1,16}|[0-9]{1,18}", digits):
        return word, 0
    return path, int(digits, 0 if digits.startswith("0x") else 10) * (-1 if offset != digits else 1)
