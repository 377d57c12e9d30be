# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline host-model``."""

import argparse

from coldline.errors import UsageError
from coldline.hypervisor.model_file import model_text
from coldline.hypervisor.observed import observe
from coldline.support.whole_file import WholeFile
from coldline.trace.files import TraceFile


def run_host_model(options: argparse.Namespace) -> int:
    """Write the model of a host that was watched; return exit status 0."""
    if not options.name.isprintable() or not options.name:
        raise UsageError("--name has to be a line of text")
    with TraceFile(options.observed) as trace:
        model = observe(trace.run, options.name, options.builder, options.observed, options.arch)
    with WholeFile(options.output, "a host model") as whole:
        whole.file.write(model_text(model).encode())
    return 0
