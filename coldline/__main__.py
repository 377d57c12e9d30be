# SPDX-License-Identifier: GPL-2.0-or-later
"""The process of a command: ``coldline`` and ``python -m coldline``."""

import contextlib
import gc
import os
import sys
from typing import NoReturn

_ERROR, _INTERRUPTED = 2, 130
"""The values of `coldline.cli.status`, whose import may fail."""

_GARBAGE = 100_000
"""New objects between two garbage collections: the start makes some ten thousand, and none of them is garbage."""


def run() -> NoReturn:
    """Run the command, and end this process with its exit status."""
    gc.set_threshold(_GARBAGE)
    # coldline does not use NumPy's linear algebra, whose waiting threads would take time from the cores in use.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os._exit(_status())  # all output is flushed, so Python's clean-up is not needed


def _status() -> int:
    """Run the command; return its exit status, which after a failure is never that of a verdict."""
    try:
        from coldline.cli import main
        from coldline.support import process_end

        process_end.begin_command()
        status = main()
        process_end.end_command()
        return status
    except SystemExit as end:  # from argparse, for --help and wrong arguments
        return end.code if isinstance(end.code, int) else _ERROR
    except KeyboardInterrupt:  # while the command was imported, or a second one while the first was reported
        with contextlib.suppress(BaseException):
            sys.stderr.write("coldline: interrupted\n")
        return _INTERRUPTED
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return _ERROR
    finally:
        with contextlib.suppress(AttributeError, OSError):
            sys.stderr.flush()


if __name__ == "__main__":
    run()
