# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline matrix``."""

import argparse
import gc
import json
import sys

from coldline.builder import STRATEGIES
from coldline.checker.final_read import Region
from coldline.cli.guests import core_of
from coldline.cli.trials import plan_guest, trial_of
from coldline.errors import HypervisorError
from coldline.guest import Plan
from coldline.hypervisor.models import HOST_MODELS
from coldline.report.markdown import markdown
from coldline.verdict import Sink, check, judge


def run_matrix(options: argparse.Namespace) -> int:
    """Try every pair and print the table; exit status 0, whatever the verdicts are."""
    _, plan = plan_guest(options)
    hosts = [name for name, model in HOST_MODELS.items() if plan.architecture in model.architectures]
    strategies = [name for name, each in STRATEGIES.items() if plan.architecture in each.architectures]
    cells: dict[str, dict[str, dict[str, object]]] = {}
    for host in hosts:
        for strategy in strategies:
            if sys.stderr.isatty():
                print(f"\r{host}, {strategy}\033[K", end="", file=sys.stderr, flush=True)
            cells.setdefault(host, {})[strategy] = _cell(options, plan, strategy, host)
            gc.collect()  # an emulator and what it calls know each other, and hold a guest's RAM
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if options.json:
        print(
            json.dumps(
                {
                    "image": options.image or options.sample,
                    "core": core_of(options, plan.architecture).name,
                    "verdicts": cells,
                }
            )
        )
    else:
        print(table(cells, strategies), end="")
    return 0


def table(cells: dict[str, dict[str, dict[str, object]]], strategies: list[str]) -> str:
    """The verdicts as a Markdown table, a host a row, columns aligned for reading as they are."""
    rows = [
        ["host", *strategies],
        *([host, *(_words(row[name]) for name in strategies)] for host, row in cells.items()),
    ]
    return markdown(rows)


def _words(cell: dict[str, object]) -> str:
    if cell["verdict"] == "hazard":
        kinds = cell["kinds"]
        assert isinstance(kinds, list)
        return ", ".join(kinds)
    return str(cell["verdict"])


def _cell(options: argparse.Namespace, plan: Plan, strategy: str, host: str) -> dict[str, object]:
    trial = trial_of(options, plan, strategy, host)

    def source(sink: Sink) -> None:
        trial.run(sink)

    try:
        checker = check(source, trial.profile, distinct=True, at_length=True)
    except HypervisorError as error:
        return {"verdict": "refused", "reason": str(error)}
    regions = [Region(each.name, each.address, each.size) for each in plan.segments]
    found = judge(checker, source, most=0, stories=0, regions=regions)
    return {"verdict": found.verdict.value, "kinds": found.all_kinds}
