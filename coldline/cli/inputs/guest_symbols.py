# SPDX-License-Identifier: GPL-2.0-or-later
"""The symbols of a guest: those of ``--symbols``, or of the image if it is an ELF file that has them."""

import argparse
import os
import re
from typing import TYPE_CHECKING

from coldline.cli.status import complain
from coldline.errors import ImageError, MissingDependencyError
from coldline.frontends.unicorn.memory_at_end import MemoryAtEnd
from coldline.guest import Plan, Segment
from coldline.image import Kernel

if TYPE_CHECKING:
    from coldline.symbols.symbols import Symbols

_IN_MEMORY = "@memory"

_PACKED = ("zImage",)
"""The formats whose code unpacks itself."""


def symbols_of(options: argparse.Namespace, kernel: Kernel, plan: Plan) -> "Symbols | None":
    """The symbols of a guest; None if it has none and none were given.

    Raises
    ------
    ImageError
        If the file of ``--symbols`` is broken, stripped, or of another program, or its folder has no program.
    MissingDependencyError
        If pyelftools is not installed.
    """
    if options.symbols is None and not (kernel.format == "ELF" and not kernel.layers):
        return None
    from coldline.symbols.symbols import LoadedRange, read_symbols

    path, moved_by = _file_and_offset(options.symbols or kernel.path)
    in_memory = moved_by is None
    loaded = [LoadedRange(each.address, bytes(each.data[:]), each.size) for each in code_segments(plan)]
    packed = kernel.format in _PACKED
    if options.symbols is not None and os.path.isdir(options.symbols):
        from coldline.symbols.modules import read_modules

        return read_modules(options.symbols, loaded, source_prefix=options.source_prefix or "")
    try:
        return read_symbols(
            path,
            loaded,
            packed=packed,
            source_prefix=options.source_prefix or "",
            moved_by=moved_by or 0,
            in_memory=in_memory,
        )
    except (ImageError, MissingDependencyError):
        if options.symbols is None:
            return None  # most ELF files that are booted are stripped
        raise


def code_segments(plan: Plan) -> list[Segment]:
    """The segments of a guest that have its code."""
    return [each for each in plan.segments if each.name not in ("initrd", "dtb")]


def find_in_memory(symbols: "Symbols | None", path: str | None, memory: MemoryAtEnd) -> None:
    """Find where a guest has copied or unpacked the code of its symbols; say so if it is nowhere."""
    if symbols is None:
        return
    symbols.find_copies(memory.ranges)
    if path is None or symbols.has_places:
        return
    if os.path.isdir(path):
        complain(f"{path}: the code of none of its programs is in the guest's memory at the end of the run")
    elif path.endswith(_IN_MEMORY):
        complain(
            f"{path.removesuffix(_IN_MEMORY)}: its code is not in the guest's memory at the end of the run"
        )


def _file_and_offset(word: str) -> tuple[str, int | None]:
    """The file of FILE@OFFSET, and the offset; 0 without one, None for ``FILE@memory``.

    A file of the whole name is that file.
    """
    path, at, offset = word.rpartition("@")
    if not at or not path or os.path.exists(word):
        return word, 0
    if word.endswith(_IN_MEMORY):
        return path, None
    digits = offset.removeprefix("-")
    if not re.fullmatch("0x[0-9a-fA-F]{1,16}|[0-9]{1,18}", digits):
        return word, 0
    return path, int(digits, 0 if digits.startswith("0x") else 10) * (-1 if offset != digits else 1)
