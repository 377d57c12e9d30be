# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the plugin for QEMU on first use, and keeps it in the cache folder."""

import hashlib
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Final

from coldline.errors import MissingDependencyError, QemuError
from coldline.frontends.qemu.records import definitions
from coldline.support import cache_folder

SOURCE: Final = "coldline_watch.c"
_COMPILERS: Final = ("cc", "gcc", "clang")
_OPTIONS: Final = (
    "-shared",
    "-fPIC",
    "-fno-plt",
    "-O2",
    "-fvisibility=hidden",
    "-Wall",
    "-Wno-unused-parameter",
    "-xc",
)


def source_text() -> str:
    """Return the plugin's source, with the definitions that it needs."""
    source = resources.files("coldline.frontends.qemu").joinpath("plugin", SOURCE).read_text("utf-8")
    return f'{definitions()}#line 1 "{SOURCE}"\n{source}'


def plugin_code() -> bytes:
    """Return the compiled plugin, from the cache folder or anew.

    The kept copy starts with a digest, so that one that is damaged is compiled again.

    Raises
    ------
    MissingDependencyError
        If it has to be compiled, and there is no C compiler.
    QemuError
        If the compiler fails.
    """
    source = source_text()
    root = cache_folder.folder()
    kept = root / f"plugin-{_digest(source)}" if root is not None else None
    if kept is not None:
        with suppress(OSError, ValueError):
            return cache_folder.read_kept(kept)
    made = _compiled(source)
    if kept is not None:
        cache_folder.keep(kept, made)
    return made


def _digest(source: str) -> str:
    return hashlib.sha256(repr((source, _OPTIONS)).encode()).hexdigest()[:16]


def _compiled(source: str) -> bytes:
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        raise MissingDependencyError(
            "a plugin for QEMU has to be compiled once, and there is no C compiler (cc, gcc or clang): install gcc"
        )
    with tempfile.TemporaryFile() as complaints, tempfile.TemporaryDirectory(prefix="coldline-") as folder:
        target = Path(folder) / "coldline_watch.so"
        done = subprocess.run(
            [compiler, *_OPTIONS, "-o", str(target), "-"],
            input=source.encode(),
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            check=False,
        )
        if done.returncode:
            complaints.seek(0)
            first = next(iter(complaints.read().decode("utf-8", "replace").splitlines()), "")
            raise QemuError(f"{compiler} cannot compile the plugin for QEMU: {first}")
        return target.read_bytes()
