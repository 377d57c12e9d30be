# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's cache folder, for results that are expensive to compute, under names that change with their inputs.

Each file starts with a digest of its content. A file that was truncated, overwritten or changed fails that check,
and its content is computed again.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from coldline.support.source_files import digest_of

_DIGEST_SIZE = hashlib.sha256().digest_size


def folder() -> Path | None:
    """Return ``$XDG_CACHE_HOME/coldline``, by default ``~/.cache/coldline``, or None if there is no home folder."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coldline"
    except RuntimeError:
        return None


def name_for(kind: str, module: str, *more: object, costly: bool = False) -> str:
    """Return the file name of what `module` computes from `more`.

    The name changes with the source of the module and of everything that it imports from this package. For results
    that are `costly` to compute again, comments and docstrings in that source do not count.
    """
    source = _meaning(module) if costly else digest_of(module, meaning=False)
    return f"{kind}-{hashlib.sha256(repr((source, more)).encode()).hexdigest()[:16]}"


def _meaning(module: str) -> str:
    """Return the digest of a module's syntax trees. As parsing is slow, it is cached under the text's digest."""
    root = folder()
    if root is None:
        return digest_of(module, meaning=True)
    path = root / f"sources-{digest_of(module, meaning=False)[:16]}"
    with suppress(OSError, ValueError):
        return read_kept(path).decode()
    meaning = digest_of(module, meaning=True)
    keep(path, meaning.encode())
    return meaning


def read_kept(path: Path) -> bytes:
    """Read a cached file.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If its content does not match its digest.
    """
    kept = path.read_bytes()
    digest, data = kept[:_DIGEST_SIZE], kept[_DIGEST_SIZE:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError(f"{path}: its content does not match its digest")
    return data


def keep(path: Path, data: bytes) -> None:
    """Write a cached file, completely or not at all. It is not an error if the folder is not writable."""
    import tempfile  # imported only when needed

    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
                file.flush()
                os.fsync(descriptor)  # otherwise a power cut could leave the name without the content
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
