# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``scripts/survey``."""

import argparse
import fnmatch
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from coldline.errors import ColdlineError
from testbed import apt, cache
from testbed.survey.images import ARCHITECTURES, Image, images_of
from testbed.survey.plan import plan
from testbed.survey.runs import read_results, run_all
from testbed.survey.table import page

SUITES = ("bookworm", "bookworm-backports", "trixie", "unstable")
_INSTRUCTIONS = 100_000_000


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        work = options.results.parent / "files"
        images = _chosen(options, work)
        if options.dry_run:
            for image in images:
                print(image.suite, image.package, image.name, *image.words)
            return 0
        if options.plan is not None:
            limits = {"timeout": options.timeout, "instructions": options.max_instructions}
            options.plan.write_text(plan(images, work, **limits))
            return 0
        options.results.parent.mkdir(parents=True, exist_ok=True)
        if not options.table_only:
            run_all(
                images,
                options.results,
                work,
                jobs=options.jobs,
                timeout=options.timeout,
                instructions=options.max_instructions,
                said=apt.say,
            )
        if options.table is not None:
            day = time.strftime("%Y-%m-%d", time.gmtime(options.results.stat().st_mtime))
            text = page(
                read_results(options.results).values(), date=day, instructions=options.max_instructions
            )
            options.table.write_text(text)
    except (ColdlineError, OSError) as error:
        apt.say(str(error))
        return 2
    return 0


def _chosen(options: argparse.Namespace, work: Path) -> Iterator[Image]:
    for suite, architecture in itertools.product(options.suites.split(","), ARCHITECTURES):
        for image in images_of(suite, architecture, work):
            if fnmatch.fnmatch(image.package, options.package):
                yield image


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/survey",
        description="Run coldline boot on the images in Debian's packages. Results are kept, so that a survey that "
        "was stopped goes on where it was.",
    )
    parser.add_argument("--suites", default=",".join(SUITES), help="Debian's suites (default: %(default)s)")
    parser.add_argument(
        "--package", default="*", metavar="PATTERN", help="only packages of such a name and version"
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        default=cache.cache_folder().parent / "survey" / "results.jsonl",
        help="the results, an object in each line (default: in the cache)",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table of all results there")
    parser.add_argument(
        "--plan", type=Path, metavar="FILE", help="run nothing, and write a plan for 'coldline survey'"
    )
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    parser.add_argument("--dry-run", action="store_true", help="print what would be run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many run at once")
    parser.add_argument(
        "--timeout", type=int, default=600, metavar="S", help="seconds for each (default 600)"
    )
    parser.add_argument(
        "--max-instructions", type=int, default=_INSTRUCTIONS, metavar="N", help="of each run"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
