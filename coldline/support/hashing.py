# SPDX-License-Identifier: GPL-2.0-or-later
"""The factor of multiplicative hashing."""

from typing import Final

GOLDEN: Final = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: a key times this has all of the key in its upper bits (Knuth, TAOCP 3, 6.4)."""
