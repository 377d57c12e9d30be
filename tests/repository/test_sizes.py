# SPDX-License-Identifier: GPL-2.0-or-later
"""No module has more than 300 lines without a reason in its docstring."""

import re

from tests.repository.sources import modules

MOST_LINES = 300
REASON = re.compile(rf"^Longer than {MOST_LINES} lines because \S+ \S+", re.MULTILINE)
"""A line that the docstring of a longer module must have."""


def test_a_module_is_short_or_says_why_not() -> None:
    long = {name for name, module in modules().items() if module.lines > MOST_LINES}
    silent = {name for name in long if not REASON.search(modules()[name].docstring)}
    assert sorted(silent) == []


def test_no_short_module_gives_a_reason() -> None:
    for name, module in modules().items():
        assert module.lines > MOST_LINES or not REASON.search(module.docstring), name


def test_the_reason_is_looked_for_as_it_is_written() -> None:
    assert REASON.search("What it does.\n\nLonger than 300 lines because every rule is beside its source.")
    assert not REASON.search("What it does.\n\nLonger than 300 lines because.")
