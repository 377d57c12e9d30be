# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failed call says, and in which step it failed."""

import contextlib
import os
from collections.abc import Iterator

from coldline.errors import HypervisorError


@contextlib.contextmanager
def error_context(step: str) -> Iterator[None]:
    """Turn a library's error into a HypervisorError that starts with `step`."""
    try:
        yield
    except OSError as error:
        raise HypervisorError(f"{step}: {os_error_text(error)}") from error


def os_error_text(error: OSError) -> str:
    """The call that failed, as its error names it, and why."""
    if not error.errno:
        return str(error)
    why = os.strerror(error.errno)
    return f"{error.strerror}: {why}" if error.strerror not in (None, why) else why
