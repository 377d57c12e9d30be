# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors that change, and walks that may come again: the checker finds what the explorer of order finds."""

from collections.abc import Callable
from functools import partial

import pytest

from coldline.errors import TraceError
from tests.checker.test_order import FIRST_SEED, WAYS, are_the_same, explored
from tests.helpers.checking import Found, check_text
from tests.helpers.effort import examples
from tests.helpers.order_changes import draw_changing
from tests.helpers.requirements import require
from tests.oracles.agree import reduced
from tests.oracles.explorer import Malformed

PROBE = (
    "version 2\noption order\na map 0x1000 0x1000 normal-wb\na descriptor 0x1000 0x1000 normal-nc/normal-wb\n"
)


def in_runs(found: list[Found]) -> list[Found]:
    """The hazards, with those of whole pages as runs of bytes: a report may cut them where it likes."""
    runs: list[Found] = []
    for each in sorted(hazard for hazard in found if hazard.kind == "bbm"):
        last = runs[-1] if runs else None
        if last and last[:3] == each[:3] and last.address + last.size == each.address:
            runs[-1] = last._replace(size=last.size + each.size)
        else:
            runs.append(each)
    return sorted([*runs, *(hazard for hazard in found if hazard.kind != "bbm")])


def differs(text: str, ours: Callable[[str], list[Found]]) -> bool:
    try:
        theirs = explored(text)
    except Malformed:  # of a part of a trace
        return False
    return theirs is not None and not are_the_same(in_runs(theirs), in_runs(ours(text)), text)


def test_the_checker_finds_what_the_explorer_finds_where_descriptors_change() -> None:
    try:
        check_text(PROBE)
    except TraceError as error:
        require(False, f"no descriptor that changes: {error}")
    compared = hazardous = 0
    for seed in range(FIRST_SEED, FIRST_SEED + examples(160, least=30)):
        text = draw_changing(seed)
        if "option vipt" in text and "option start" in text:
            continue  # that agents are on no core is then an error
        theirs = explored(text)
        if theirs is None:
            continue
        compared += 1
        hazardous += bool(theirs)
        for way, ours in WAYS.items():
            if not are_the_same(in_runs(theirs), in_runs(ours(text)), text):
                text = reduced(text, partial(differs, ours=ours))
                pytest.fail(
                    f"seed {seed}, by {way}:\n{text}explorer: {explored(text)}\nchecker: {ours(text)}"
                )
    assert compared > hazardous > compared // 20
