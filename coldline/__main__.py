# SPDX-License-Identifier: GPL-2.0-or-later
"""The process of a command: ``coldline`` and ``python -m coldline``."""

import contextlib
import gc
import os
import sys
from typing import NoReturn

_ERROR, _INTERRUPTED = 2, 130
"""As in `coldline.cli.status`, which may be what cannot be imported."""

_GARBAGE = 100_000
"""Objects between two searches for garbage: starting makes some ten thousand, and none of it is garbage."""


def run() -> NoReturn:
    """Run the command that this process is for, and end with its exit status."""
    gc.set_threshold(_GARBAGE)
    # NumPy's linear algebra is not used here, and its threads would wait for work on the cores that we need.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os._exit(_status())  # all output is flushed, and Python has nothing to take apart


def _status() -> int:
    """Run the command; no failure ends with a status that is a verdict."""
    try:
        from coldline.cli import main

        return main()
    except SystemExit as end:  # from argparse, for --help and wrong arguments
        return end.code if isinstance(end.code, int) else _ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return _ERROR
    finally:
        with contextlib.suppress(AttributeError, OSError):
            sys.stderr.flush()


if __name__ == "__main__":
    run()
