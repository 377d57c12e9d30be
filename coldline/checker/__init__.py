# SPDX-License-Identifier: GPL-2.0-or-later
"""The check: follows every possible state of every line through events, and finds the reads that may go wrong."""

from typing import TYPE_CHECKING

from coldline.support.lazy_exports import lazily

if TYPE_CHECKING:
    from coldline.checker.checker import Checker
    from coldline.checker.state.findings import HazardEntry

__all__ = ["Checker", "HazardEntry"]

__getattr__ = lazily(__name__, {"checker": ("Checker",), "findings": ("HazardEntry",)})
