# SPDX-License-Identifier: GPL-2.0-or-later
"""The digest of all that a cell's result depends on: files, command line, rules and front ends, host model."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from coldline.errors import SurveyError
from coldline.hypervisor import HOST_MODELS
from coldline.support.source_files import PACKAGE
from coldline.survey.plan import SurveyCell

__all__ = ["cell_digest"]

_PARTS: Final = (
    "arm", "builder", "checker", "consequence", "events", "explain", "frontends", "guest", "hypervisor", "image",
    "first_pass", "mmu", "recorded_guest", "repair", "repaired_run", "rules", "simulation", "trial_repair", "verdict",
)  # fmt: skip
"""What can change a verdict, a cause or a repair. Not how they are printed."""

_MODELS: Final = "hypervisor/models.py"
_PIECE: Final = 1 << 20


def cell_digest(cell: SurveyCell, folder: Path) -> str:
    """Return the digest of a cell.

    Parameters
    ----------
    cell : SurveyCell
        The cell.
    folder : Path
        The folder of its plan.

    Raises
    ------
    SurveyError
        A file that it names cannot be read.
    """
    digest = hashlib.sha256(code_digest().encode())
    model = repr(HOST_MODELS[cell.host]) if cell.host else (PACKAGE / _MODELS).read_text("utf-8")
    digest.update(json.dumps([cell.words, cell.vcpus, cell.timeout, model]).encode())
    for name in cell.files:
        path = folder / name
        digest.update(f"{name}\0{_of_file(path, _stamp(path))}\0".encode())
    return digest.hexdigest()


@cache
def code_digest() -> str:
    """Return the digest of the code that rules and front ends are made of."""
    digest = hashlib.sha256()
    for path in _sources(_PARTS):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources(parts: Iterable[str]) -> list[Path]:
    found: list[Path] = []
    for part in parts:
        module = PACKAGE / f"{part}.py"
        files = (
            [module]
            if module.is_file()
            else [*(PACKAGE / part).rglob("*.py"), *(PACKAGE / part).rglob("*.c")]
        )
        found += [path for path in files if path != PACKAGE / _MODELS]
    return sorted(found)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise SurveyError(f"{path}: cannot be read: {error.strerror}") from error
    return found.st_mtime_ns, found.st_size


@cache
def _of_file(path: Path, stamp: tuple[int, int]) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise SurveyError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
