# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``scripts/survey``."""

import argparse
import fnmatch
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from coldline.cli import main as coldline
from coldline.errors import ColdlineError
from coldline.support.units import MIB
from coldline.survey.results import read_results
from testbed.packages import apt
from testbed.packages.cache import cache_folder, write
from testbed.survey.downloads import packages_to_fetch
from testbed.survey.images import ARCHITECTURES, Packages, images_of, packages_of
from testbed.survey.page import page
from testbed.survey.plan import plan
from testbed.survey.suites import SUITES
from testbed.watched.qemu import watchable_qemu

_INSTRUCTIONS = 60_000_000
_REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 2 if there was an error, or a worst result of the survey's."""
    options = _parser().parse_args(arguments)
    try:
        status = 0 if options.page_only else _survey(options)
        if not (options.plan_only or options.dry_run):
            write(options.page, page(read_results(options.results).values()))
    except (ColdlineError, OSError) as error:
        apt.say(str(error))
        return 2
    return status


def _survey(options: argparse.Namespace) -> int:
    names = {}
    for each in itertools.product(options.suites.split(","), ARCHITECTURES):
        try:
            names[each] = _chosen(packages_of(*each), options.package)
        except apt.FetchError as error:
            apt.say(f"left out: {error}")
    if not names:
        raise apt.FetchError("no suite is left")
    missing = [packages_to_fetch(*each, itertools.chain(*of_suite)) for each, of_suite in names.items()]
    if number := sum(map(len, missing)):
        size = sum(sum(each.values()) for each in missing)
        apt.say(f"{number} packages are to be fetched, {size / MIB:,.0f} MiB")
    words = ["survey", str(options.plan), "--results", str(options.results), *options.words]
    if options.dry_run:
        return coldline([*words, "--dry-run"]) if options.plan.exists() else 0
    work = options.plan.parent / "files"
    images = (image for each, of_suite in names.items() for image in images_of(*each, of_suite, work))
    limits = {"timeout": options.timeout, "instructions": options.max_instructions}
    options.plan.parent.mkdir(parents=True, exist_ok=True)
    write(options.plan, plan(images, options.plan.parent, work, _qemu(), **limits))
    return 0 if options.plan_only else coldline(words)


def _qemu() -> Sequence[str]:
    try:
        return watchable_qemu()
    except ColdlineError as error:
        apt.say(f"no kernel is watched: {error}")
        return ()


def _chosen(packages: Packages, pattern: str) -> Packages:
    return Packages(*(tuple(fnmatch.filter(names, pattern)) for names in packages))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/survey",
        description="Fetch Debian's packages with images for Arm, write them as a plan, run 'coldline survey' on it, "
        "and write the page of all results. A survey that was stopped goes on where it was.",
    )
    parser.add_argument("--suites", default=",".join(SUITES), help="Debian's suites (default: %(default)s)")
    parser.add_argument("--package", default="*", metavar="PATTERN", help="only packages of such a name")
    parser.add_argument(
        "--plan",
        type=Path,
        metavar="FILE",
        default=cache_folder().parent / "survey" / "debian.toml",
        help="write the plan there (default: in the cache)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        default=_REFERENCE / "survey.jsonl",
        help="the results, an object in each line (default: those of the documentation)",
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE",
        default=_REFERENCE / "survey.md",
        help="write the page there (default: the documentation's)",
    )
    parser.add_argument(
        "--timeout", type=int, default=600, metavar="S", help="seconds for each run (default: %(default)s)"
    )
    parser.add_argument(
        "--max-instructions",
        type=int,
        default=_INSTRUCTIONS,
        metavar="N",
        help="of each run (default: %(default)s)",
    )
    steps = parser.add_mutually_exclusive_group()
    steps.add_argument("--dry-run", action="store_true", help="say what would be fetched and run")
    steps.add_argument("--plan-only", action="store_true", help="fetch, write the plan, and run nothing")
    steps.add_argument("--page-only", action="store_true", help="fetch and run nothing; write the page")
    parser.add_argument(
        "words", nargs="*", metavar="-- WORD", help="options of 'coldline survey', such as -- --shard 1/4"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
