# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers for calls that must fail."""

from collections.abc import Callable

import pytest


def error_of(call: Callable[..., object], *arguments: object, **other: object) -> int:
    """Return the errno of a failing call; a call that succeeds fails the test."""
    try:
        result = call(*arguments, **other)
    except OSError as error:
        return error.errno or 0
    pytest.fail(f"{call.__qualname__}: {result!r} where there had to be an error")
