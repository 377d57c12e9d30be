# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline convert``."""

import argparse

from coldline.trace.files import TraceFile
from coldline.trace.writing import TraceWriter

_OTHER = {"text": "binary", "binary": "text"}


def run_convert(options: argparse.Namespace) -> int:
    """Write a trace in the other form, or the one asked for; return the exit status."""
    with TraceFile(options.input) as trace:
        form = options.to or _OTHER[trace.form]
        with TraceWriter(options.output, trace.profile, form) as writer:
            trace.run(writer.write)
    return 0
