# SPDX-License-Identifier: GPL-2.0-or-later
"""The duration of tests: under five minutes in all, or with ``scripts/test --long`` as long as they need."""

import os

import pytest

LONG = os.environ.get("COLDLINE_LONG") == "1"
"""Whether tests run that are marked ``long``, and random ones at full length."""

ASKED = os.environ.get("COLDLINE_EXAMPLES")
"""The number of random examples that somebody asked for."""

_REASON = "takes long: scripts/test --long runs it"


def examples(number: int, least: int = 5) -> int:
    """Return how many random examples a test tries: `number`, or by default a tenth of it, and at least `least`."""
    return int(ASKED or (number if LONG else max(number // 10, least)))


def skip_long(items: list[pytest.Item]) -> None:
    """Skip the tests that are marked ``long``, unless they are to run."""
    if not LONG:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason=_REASON))
