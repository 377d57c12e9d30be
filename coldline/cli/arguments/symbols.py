# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of ``boot`` for names of functions and lines of sources."""

import argparse


def add_symbols(parser: argparse.ArgumentParser) -> None:
    """Add ``--symbols`` and ``--source-prefix``."""
    group = parser.add_argument_group("symbols")
    group.add_argument(
        "--symbols",
        metavar="FILE",
        help="name functions, data and source lines by FILE: the linked ELF file of the image, such as vmlinux or "
        "u-boot, or a System.map (default: the image, if it is an ELF file with symbols). Code that copies or "
        "unpacks itself is found in memory at the end of the run; FILE@OFFSET says what it adds to its addresses as "
        "linked, and FILE@memory is for code that was loaded in another form. A folder in place of FILE gives all "
        "linked ELF files in it, such as the modules of EDK2",
    )
    group.add_argument(
        "--source-prefix", metavar="DIR", help="remove DIR from the beginning of the paths of source files"
    )
