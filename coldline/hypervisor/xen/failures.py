# SPDX-License-Identifier: GPL-2.0-or-later
"""Error messages of failed calls: the step, the call and the reason."""

import contextlib
import os
from collections.abc import Iterator

from coldline.errors import HypervisorError


@contextlib.contextmanager
def error_context(step: str) -> Iterator[None]:
    """Turn an OSError of the block into a HypervisorError whose message starts with `step`."""
    try:
        yield
    except OSError as error:
        raise HypervisorError(f"{step}: {os_error_text(error)}") from error


def os_error_text(error: OSError) -> str:
    """Return the failed call, if the error names one, and the reason."""
    if not error.errno:
        return str(error)
    why = os.strerror(error.errno)
    return f"{error.strerror}: {why}" if error.strerror not in (None, why) else why
