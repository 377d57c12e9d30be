# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that is compiled quickly."""

from numba import cfunc, types


@cfunc(types.int64(types.int64))  # type: ignore[untyped-decorator]
def triple(number: int) -> int:
    """Return three times a number."""
    return 3 * number


EXPORTS = {"triple": triple}
