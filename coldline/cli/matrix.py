# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline matrix``."""

import argparse
import gc

from coldline.builder import STRATEGIES
from coldline.checker.final_read import Region
from coldline.cli.guests import core_of
from coldline.cli.hosts import is_bare
from coldline.cli.outputs import Outputs
from coldline.cli.progress import Following, Progress
from coldline.cli.status import SUCCESS
from coldline.cli.trials import TrialRun, plan_guest, programs_of, trial_of
from coldline.errors import HypervisorError
from coldline.hypervisor.models import HOST_MODELS
from coldline.jit.code_cache import compile_missing
from coldline.report.model import Cell, Matrix
from coldline.simulation import Trial
from coldline.verdict import check, judge


def run_matrix(options: argparse.Namespace) -> int:
    """Try every pair of strategy and host and print the table; return exit status 0, whatever the verdicts are."""
    outputs = Outputs(options.formats)
    kernel, plan = plan_guest(options)
    with outputs:
        hosts = [
            name
            for name, model in HOST_MODELS.items()
            if model.has_strategies and plan.architecture in model.architectures
        ]
        strategies = [name for name, each in STRATEGIES.items() if plan.architecture in each.architectures]
        cells: dict[str, dict[str, Cell]] = {}
        pairs = [(host, strategy) for host in hosts for strategy in strategies]
        with Progress(wanted=True) as progress:
            compile_missing(programs_of(plan), progress.compiled)
            for number, (host, strategy) in enumerate(pairs, 1):
                name = f"{host}, {strategy} ({number} of {len(pairs)})"
                following = Following(progress, None, name)
                trial = trial_of(options, plan, strategy, host, bare=is_bare(options, kernel))
                cells.setdefault(host, {})[strategy] = _cell(trial, following)
                gc.collect()  # an emulator and its hooks are a reference cycle that holds a guest's RAM
        outputs.matrix(
            Matrix(
                image=options.image or options.sample or options.bios,
                core=core_of(options, plan.architecture).name,
                strategies=tuple(strategies),
                cells=cells,
            )
        )
    return SUCCESS


def _cell(trial: Trial, following: Following) -> Cell:
    run = TrialRun(trial, following.ran)
    try:
        checker = check(run, trial.profile, distinct=True, at_length=True)
    except HypervisorError as error:
        return Cell(None, refusal=str(error))
    regions = [Region(each.name, each.address, each.size, each.data.nbytes) for each in trial.plan.segments]
    gaps = run.outcome.gaps(trial.until)
    again = TrialRun(trial)
    judgement = judge(checker, again, most=0, stories=0, regions=regions, gaps=gaps, watcher=following)
    only = bool(judgement.all_kinds) and not judgement.kinds
    return Cell(judgement.verdict, tuple(judgement.all_kinds), final_read_only=only)
