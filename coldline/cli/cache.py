# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline cache``."""

import argparse
import os
from pathlib import Path

from coldline.cli.progress import Progress
from coldline.cli.status import ERROR, SUCCESS, complain
from coldline.support import cache_folder


def run_cache(options: argparse.Namespace) -> int:
    """Fill, empty or describe the cache folder; return the exit status."""
    folder = cache_folder.folder()
    if folder is None:
        complain("there is no home folder, and $XDG_CACHE_HOME is not set")
        return ERROR
    if options.clear:
        for path in _files(folder):
            path.unlink(missing_ok=True)
    elif options.build:
        _build(folder)
    files = _files(folder)
    count = f"{len(files)} file{'' if len(files) == 1 else 's'}"
    print(f"{folder}: {count}, {sum(each.stat().st_size for each in files):,} bytes")
    return SUCCESS


def _build(folder: Path) -> None:
    from coldline.jit.code_cache import compile_missing
    from coldline.jit.programs import PROGRAMS

    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, os.strerror(13), os.fspath(folder))
    with Progress(wanted=True) as progress:
        compile_missing(PROGRAMS, progress.compiled)


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []
