# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline xl``: runs xl so that it writes guests through uncached mappings."""

import argparse
import ctypes
import os
import sys
from collections.abc import Mapping
from typing import Final, NoReturn

from coldline.errors import MissingDependencyError
from coldline.hypervisor.xen.bindings.driver import open_driver

LIBRARY: Final = "libcoldline-xl.so"
FOLDERS: Final = ("/usr/local/lib/coldline", "/usr/lib/coldline")
"""Where ``make -C driver/preload install`` puts the library, and where a package would."""

_BUILD: Final = "make -C driver/preload install builds it (docs/reference/xen.md)"


def run_xl(options: argparse.Namespace) -> NoReturn:
    """Become xl, with the library of ``driver/preload`` loaded before its own.

    Raises
    ------
    DriverError
        If coldline's driver is not loaded, or has another version.
    MissingDependencyError
        If the library or xl is missing, or the library cannot be loaded.
    """
    library = _library(options.preload)
    open_driver().close()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe("xl", ["xl", *options.words], _environment(library, os.environ))
    except FileNotFoundError as error:
        raise MissingDependencyError("no xl: install what Debian calls xen-utils") from error


def _library(given: str | None) -> str:
    """Return the path of the library, which can be loaded."""
    paths = [given] if given is not None else [f"{folder}/{LIBRARY}" for folder in FOLDERS]
    for path in paths:
        if os.path.exists(path):
            path = os.path.abspath(path)
            break
    else:
        raise MissingDependencyError(f"no {paths[0]}: {_BUILD}")
    try:
        ctypes.CDLL(path)  # the dynamic linker only warns, and goes on without it
    except OSError as error:
        raise MissingDependencyError(f"{path} cannot be loaded ({error}): {_BUILD}") from error
    return path


def _environment(library: str, environment: Mapping[str, str]) -> dict[str, str]:
    before = environment.get("LD_PRELOAD")
    return {**environment, "LD_PRELOAD": f"{library}:{before}" if before else library}
