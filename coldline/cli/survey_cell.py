# SPDX-License-Identifier: GPL-2.0-or-later
"""The process of one cell: ends with its parent, runs the command, and tells what it cost.

python -m coldline.cli.survey_cell USAGE-FILE WORD…
"""

import ctypes
import json
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
        own, children = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        seconds = sum(each.ru_utime + each.ru_stime for each in (own, children))
        cost = {"processor_seconds": round(seconds, 2), "peak_bytes": own.ru_maxrss << 10}
        Path(words[0]).write_text(json.dumps(cost))


if __name__ == "__main__":
    sys.exit(run_surveyed(sys.argv[1:]))
