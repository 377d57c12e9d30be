# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's cache folder: results that take long to work out, kept under names that change with their inputs.

Every kept file starts with a digest of the rest. A file that was cut short, overwritten or changed fails that test
and is made anew.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from coldline.support.source_files import digest_of

_DIGEST_SIZE = hashlib.sha256().digest_size


def folder() -> Path | None:
    """``$XDG_CACHE_HOME/coldline``, by default ``~/.cache/coldline``; None where there is no home folder."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coldline"
    except RuntimeError:
        return None


def name_for(kind: str, module: str, *more: object, costly: bool = False) -> str:
    """A file name for what `module` computes from `more`.

    It changes with the source of the module and of all that it imports from this package; for what is `costly` to
    make again, only with its meaning, not with comments and docstrings.
    """
    source = _meaning(module) if costly else digest_of(module, meaning=False)
    return f"{kind}-{hashlib.sha256(repr((source, more)).encode()).hexdigest()[:16]}"


def _meaning(module: str) -> str:
    """The digest of a module's syntax trees. Parsing is slow, so it is kept under the digest of the plain text."""
    kept = folder()
    if kept is None:
        return digest_of(module, meaning=True)
    path = kept / f"sources-{digest_of(module, meaning=False)[:16]}"
    with suppress(OSError, ValueError):
        return read_kept(path).decode()
    meaning = digest_of(module, meaning=True)
    keep(path, meaning.encode())
    return meaning


def read_kept(path: Path) -> bytes:
    """Read a kept file.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If its content is not what was kept.
    """
    kept = path.read_bytes()
    digest, data = kept[:_DIGEST_SIZE], kept[_DIGEST_SIZE:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError(f"{path}: its content does not match its digest")
    return data


def keep(path: Path, data: bytes) -> None:
    """Keep `data`, whole or not at all. A folder that cannot be written is not an error: nothing is kept."""
    import tempfile  # only where there is something to keep

    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
                file.flush()
                os.fsync(descriptor)  # else a power cut could leave the name without the content
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
