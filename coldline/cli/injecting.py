# SPDX-License-Identifier: GPL-2.0-or-later
"""``--inject`` of ``coldline boot``: what the guest does with old bytes."""

import argparse
from typing import TYPE_CHECKING, Final

from coldline.cli.progress import Progress
from coldline.errors import UsageError
from coldline.report.causes import group
from coldline.verdict import WAS_INTERRUPTED, Judgement

if TYPE_CHECKING:
    from coldline.consequence.result import Consequence
    from coldline.simulation import Trial

ALL: Final = 0
"""In place of a cause's number: all causes."""

_ONLY_FINAL: Final = "no access of this run reads them: the final read does"


def injected_of(options: argparse.Namespace) -> int | None:
    """The number of the cause whose old bytes are to be given, from 1; `ALL`, or None without ``--inject``.

    Raises
    ------
    UsageError
        If it is neither a number nor ``all``.
    """
    word: str | None = options.inject
    if word is None or word == "all":
        return None if word is None else ALL
    if word.isascii() and word.isdigit() and int(word[:10]) > 0:
        return int(word[:10])
    raise UsageError(f"--inject takes the number of a cause, or all, not '{word}'")


def missing_cause(wanted: int | None, judgement: Judgement) -> str | None:
    """Say that there is no cause of the number that is wanted; None if there is, or none is wanted by its number."""
    causes = len(group(judgement).causes)
    if wanted is None or wanted <= causes:
        return None
    known = f"causes 1 to {causes}" if causes > 1 else "cause 1 alone" if causes else "no cause"
    return f"--inject {wanted}: there is no cause {wanted}; the report has {known}"


def inject(
    wanted: int | None, trial: "Trial", judgement: Judgement, progress: Progress
) -> "tuple[dict[int, Consequence], bool]":
    """Run the guest with old bytes of the causes that are wanted; return what it did, by the number of the cause.

    A cause that does not exist is left out: `missing_cause` says so. The second value is whether an interrupt ended
    the runs; causes that they have not shown say so.
    """
    causes = group(judgement).causes
    if wanted is None or not causes or wanted > len(causes):
        return {}, False
    from coldline.consequence.rerun import consequences
    from coldline.consequence.result import Consequence

    numbers = range(len(causes)) if wanted == ALL else (wanted - 1,)
    hazards = {number: causes[number].first for number in numbers if not causes[number].final_read}
    found = {number: Consequence(why_not=_ONLY_FINAL) for number in numbers if causes[number].final_read}
    interrupted = False
    try:
        consequences(trial, hazards, lambda what: progress.say(what.__str__), found)
    except KeyboardInterrupt:
        interrupted = True
        found |= {number: Consequence(why_not=WAS_INTERRUPTED) for number in hazards.keys() - found.keys()}
    return dict(sorted(found.items())), interrupted
