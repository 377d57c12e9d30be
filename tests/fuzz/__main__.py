# SPDX-License-Identifier: GPL-2.0-or-later
"""``scripts/fuzz``: runs some or all fuzzers; a finding is an error, and its input is kept in a file."""

import argparse
import sys

from . import campaign
from .bounds import MEBIBYTES
from .targets import TARGETS


def main(arguments: list[str]) -> int:
    """Run the fuzzers that the arguments name; return 1 if one found anything."""
    options = _parser().parse_args(arguments)
    names = list(TARGETS) if "all" in options.targets else options.targets
    guided = campaign.can_be_guided() and not options.mutants
    print(
        f"{'target':16} {'runs':>12} {'results':>12} {'errors':>12} {'runs/s':>8} {'slowest':>9} {'memory':>9}"
    )
    found = total = 0
    weights = sum(TARGETS[name].weight for name in names)
    for name in names:
        if not TARGETS[name].seeds():
            print(f"{name}: no tool to make seeds with", file=sys.stderr)
            found += 1
            continue
        outcome = campaign.run(
            name, TARGETS[name], -(-options.runs * TARGETS[name].weight // weights), guided=guided
        )
        counts = outcome.counts
        total += counts.runs
        print(
            f"{name:16} {counts.runs:12,} {counts.good:12,} {counts.runs - counts.good:12,} "
            f"{counts.runs / outcome.seconds:8,.0f} {counts.slowest_ns / 1e6:6.0f} ms {counts.peak:5} MiB",
            flush=True,
        )
        if outcome.failed or counts.peak > MEBIBYTES:
            print(f"{name}: FAILED: {outcome.crash or 'before its first run'}", flush=True)
            found += 1
    how = "guided by coverage" if guided else "mutants"
    print(f"{'all':16} {total:12,} runs, {how}: {f'{found} FAILED' if found else 'nothing found'}")
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument(
        "targets",
        nargs="*",
        default=["all"],
        choices=[*TARGETS, "all"],
        metavar="TARGET",
        help=f"all, or some of: {', '.join(TARGETS)}",
    )
    parser.add_argument("--runs", type=int, default=100_000, metavar="N", help="in all (100000)")
    parser.add_argument(
        "--mutants", action="store_true", help="do without coverage, as where atheris is not installed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
