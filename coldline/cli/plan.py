# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline plan``."""

import argparse
import json
import sys

from coldline.cli.inputs.guests import read_guest
from coldline.errors import UsageError
from coldline.guest import Plan, make_plan
from coldline.image import open_kernel
from coldline.report.memory_map import map_table, plan_document, tree_of
from coldline.report.plan_layout import kernel_lines, start_text
from coldline.support.terminal import columns_of
from coldline.support.whole_file import STANDARD, WholeFile


def run_plan(options: argparse.Namespace) -> int:
    """Plan a guest, and print the forms of the memory map that were asked for; return exit status 0."""
    to_standard = [name for name in ("svg", "dtb_out") if getattr(options, name) == STANDARD]
    if len(to_standard) + options.json > 1:
        raise UsageError("standard output takes one of --json, --svg and --dtb-out")
    kernel, guest = read_guest(options, open_kernel)
    plan = make_plan(kernel, guest)
    if options.svg is not None:
        from coldline.report.map_drawing import drawing

        _write(options.svg, "a drawing", drawing(kernel, plan).encode())
    if options.dtb_out is not None:
        _write(options.dtb_out, "a device tree", _tree(plan))
    if options.json:
        print(json.dumps(plan_document(kernel, plan)))
    elif not to_standard:
        print(*kernel_lines(kernel), sep="\n")
        print(f"  starts at {plan.registers.pc:#x} {start_text(plan)}\n")
        print(map_table(plan, columns_of(sys.stdout)), end="")
    return 0


def _tree(plan: Plan) -> bytes:
    tree = tree_of(plan)
    if tree is None:
        raise UsageError("--dtb-out: this guest gets no device tree")
    return bytes(tree.data[:])


def _write(path: str, what: str, data: bytes) -> None:
    with WholeFile(path, what) as whole:
        whole.file.write(data)
