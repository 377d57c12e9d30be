# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline survey``."""

import argparse
from pathlib import Path
from typing import Any

from coldline.cli.progress import Progress
from coldline.cli.status import SUCCESS, status_of, worst
from coldline.support.printable import printable
from coldline.survey.digests import cell_digest
from coldline.survey.plan import SurveyCell, read_plan
from coldline.survey.results import Results, read_results
from coldline.survey.running import Task
from coldline.survey.scheduling import estimated, run_tasks
from coldline.survey.site import write_site
from coldline.verdict import Verdict


def run_survey(options: argparse.Namespace) -> int:
    """Run what has no result yet; return the exit status."""
    plan = Path(options.plan)
    folder = plan.parent.resolve()
    path = Path(options.results) if options.results else plan.with_name(f"{plan.name}.jsonl")
    part, of = options.shard
    digests = {cell_digest(cell, folder): cell for cell in read_plan(plan)}
    mine = {digest: cell for digest, cell in digests.items() if int(digest[:8], 16) % of == part - 1}
    known = read_results(path)
    missing = [
        (Task(cell, digest, str(folder)), estimated(cell, [*known.values()]))
        for digest, cell in mine.items()
        if digest not in known or (options.retry and known[digest]["error"])
    ]
    missing.sort(key=lambda task: -task[1])
    if options.dry_run:
        return _tell(mine, missing, options.jobs)
    if missing:
        with Results.opened(path) as results, Progress(not options.quiet) as progress:
            _run(missing, known, results, progress, options)
    shown = [known[digest] for digest in mine if digest in known]
    if options.site is not None:
        site = write_site([known[digest] for digest in digests if digest in known], Path(options.site))
        if not options.quiet:
            print(f"written: {printable(str(site))}")
    return _status(shown, options)


def _run(
    missing: list[tuple[Task, float]],
    known: dict[str, dict[str, Any]],
    results: Results,
    progress: Progress,
    options: argparse.Namespace,
) -> None:
    left = {task.digest: seconds for task, seconds in missing}
    number, jobs = 0, options.jobs

    def done(task: Task, result: dict[str, Any]) -> None:
        nonlocal number
        results.add(result)
        known[task.digest] = result
        left.pop(task.digest, None)
        number += 1
        if not options.quiet:
            progress.clear()
            print(f"{number} of {len(missing)}: {_line(task.cell, result)}", flush=True)
        progress.say(
            lambda: f"{number} of {len(missing)} are done, some {sum(left.values()) / jobs:.0f} s are left"
        )

    run_tasks(missing, done, scheduler=options.scheduler, jobs=options.jobs)


def _line(cell: SurveyCell, result: dict[str, Any]) -> str:
    kinds = ", ".join(f"{kind} {count}" for kind, count in (result.get("hazards_by_kind") or {}).items())
    told = result["error"] or f"{result['verdict']}{f' ({kinds})' if kinds else ''}"
    seconds = f", {result['seconds']} s" if "seconds" in result else ""
    return printable(f"{cell}: {told}{seconds}")


def _tell(mine: dict[str, SurveyCell], missing: list[tuple[Task, float]], jobs: int) -> int:
    for task, seconds in missing:
        print(printable(f"{task.cell}: some {seconds:.0f} s"))
    total = sum(seconds for _, seconds in missing) / jobs
    print(f"{len(missing)} of {len(mine)} cells to run, some {total:.0f} s with {jobs} at once")
    return SUCCESS


def _status(shown: list[dict[str, Any]], options: argparse.Namespace) -> int:
    status = SUCCESS
    counts: dict[str, int] = {}
    for result in shown:
        verdict = None if result["error"] else Verdict(result["verdict"])
        status = worst(status, status_of(verdict))
        name = "without a verdict" if verdict is None else verdict.value
        counts[name] = counts.get(name, 0) + 1
    if not options.quiet:
        told = ", ".join(f"{counts[name]} {name}" for name in sorted(counts))
        print(told or "no cells")
    return status
