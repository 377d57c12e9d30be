# SPDX-License-Identifier: GPL-2.0-or-later
"""The process of a command: ``coldline`` and ``python -m coldline``."""

import gc
import os
import sys
from typing import NoReturn

_GARBAGE = 100_000
"""Objects between two searches for garbage: starting makes some ten thousand, and none of it is garbage."""


def run() -> NoReturn:
    """Run the command that this process is for, and end with its exit status."""
    gc.set_threshold(_GARBAGE)
    # NumPy's linear algebra is not used here, and its threads would wait for work on the cores that we need.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from coldline.cli import main

    status = main()
    sys.stderr.flush()
    os._exit(
        status
    )  # what was opened is closed and what was written is out: Python has nothing to take apart


if __name__ == "__main__":
    run()
