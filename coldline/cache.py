# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's cache folder: what is worked out once and found again under a name that says what it depends on."""

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).parent


def folder() -> Path | None:
    """``$XDG_CACHE_HOME/coldline``, by default ``~/.cache/coldline``; None where there is no home for it."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coldline"
    except RuntimeError:
        return None


def name_for(kind: str, sources: Iterable[str], *more: object) -> str:
    """A name that changes with the text of any of `sources`, files of the package, and with `more`."""
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update((PACKAGE / source).read_bytes())
    digest.update(repr(more).encode())
    return f"{kind}-{digest.hexdigest()[:16]}"


def save(path: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a file that is then at `path` at once or not at all; what cannot be is no error."""
    import tempfile  # only where there is something to save

    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
        os.close(descriptor)
        try:
            write(Path(draft))
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
