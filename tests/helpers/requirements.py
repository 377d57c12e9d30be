# SPDX-License-Identifier: GPL-2.0-or-later
"""Skips or fails a test that needs something this machine lacks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.packages.apt import FetchError

LATER = "trixie"
"""A release of Debian that is tried besides the host's own."""


def require(condition: object, reason: str) -> None:
    """Skip the running test for `reason` unless `condition`; with COLDLINE_REQUIRE=all, fail it."""
    if condition:
        return
    if os.environ.get("COLDLINE_REQUIRE") == "all":
        pytest.fail(f"required by COLDLINE_REQUIRE=all: {reason}")
    pytest.skip(reason)


@contextmanager
def packages_of(suite: str | None) -> Iterator[None]:
    """Require, as `require` does, that the block can fetch packages of a Debian suite, or of the host's.

    Without packages of `LATER` the test is skipped in any case, as their server is not this tree's concern.
    """
    try:
        yield
    except FetchError as error:
        if suite == LATER:
            pytest.skip(f"no packages of {suite}: {error}")
        require(False, f"no packages: {error}")
