# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test needs of the machine it runs on."""

import os

import pytest


def require(condition: object, reason: str) -> None:
    """Skip the running test for `reason` unless `condition`; with COLDLINE_REQUIRE=all, fail it."""
    if condition:
        return
    if os.environ.get("COLDLINE_REQUIRE") == "all":
        pytest.fail(f"required by COLDLINE_REQUIRE=all: {reason}")
    pytest.skip(reason)
