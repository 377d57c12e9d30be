# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline convert``."""

import argparse

from coldline.errors import TraceError, UsageError
from coldline.events.batch import Batch
from coldline.support.whole_file import WholeFile
from coldline.trace.casemate import CasemateTables
from coldline.trace.files import TraceFile
from coldline.trace.upgrading import checking_names, upgraded
from coldline.trace.writing import TraceWriter

CASEMATE = "casemate"
_OTHER = {"text": "binary", "binary": "text"}


def run_convert(options: argparse.Namespace) -> int:
    """Write a trace in the other form or version, or the ones asked for; return the exit status."""
    cores = options.core or []
    upgrades = options.trace_version is not None or bool(cores)
    with TraceFile(options.input) as trace:
        profile = trace.profile
        if options.to == CASEMATE:
            if upgrades:
                raise UsageError("--to casemate takes no --version and no --core")
            _write_casemate(trace, options.output)
            return 0
        if cores and options.trace_version is None and profile.ordering is None:
            raise UsageError(
                f"--core needs a trace of version 2, which {options.input} is not: give --version 2"
            )
        if upgrades:
            try:
                profile = upgraded(profile, cores)
            except TraceError as error:
                raise UsageError(f"--core: {error.reason}") from None
        form = options.to or (trace.form if upgrades else _OTHER[trace.form])
        with TraceWriter(options.output, profile, form) as writer:
            trace.run(checking_names(writer.write) if upgrades else writer.write)
    return 0


def _write_casemate(trace: TraceFile, path: str) -> None:
    """Write what a trace says of descriptors in the form of casemate's traces: it is read twice."""
    if not trace.repeatable:
        raise UsageError(f"{trace.path}: --to casemate reads a trace twice, and this can be read only once")
    tables = CasemateTables(trace.profile)
    trace.run(tables.follow)
    with WholeFile(path, "a trace") as whole:

        def write(batch: Batch) -> None:
            whole.file.writelines(record.encode() for record in tables.records(batch))

        whole.file.writelines(record.encode() for record in tables.head())
        trace.run(write)
