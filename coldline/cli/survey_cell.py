# SPDX-License-Identifier: GPL-2.0-or-later
"""The process of one cell: ends with its parent, runs the command, and tells its peak of memory.

python -m coldline.cli.survey_cell USAGE-FILE WORD…
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""Linux include/uapi/linux/prctl.h."""


def run_surveyed(words: list[str]) -> int:
    """Run ``coldline`` with the words after the first; return its exit status."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before it could be asked for
        return 1
    from coldline.cli import main as run

    try:
        return run(words[1:])
    finally:
        kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        Path(words[0]).write_text(str(kibibytes << 10))


if __name__ == "__main__":
    sys.exit(run_surveyed(sys.argv[1:]))
