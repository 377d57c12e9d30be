# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of one cache line, and the check that follows them through all of memory.

The path: `rules` say what may happen to a byte, `citations` who says so; `sets` and `automaton` make them
deterministic, and `transitions` puts that in arrays; `memory`, `mixtures` and `pages` hold what is known of every
line and why; `lines` moves them and `aliases` changes who may fill them; `follow` takes events through that
(`machine`, where there are many), which is what a `checker` does; `histories`, `ways` and `witness` tell how a bad
read comes about; `judge` puts it in a report.
"""

from typing import TYPE_CHECKING, Any

from coldline.coherence.findings import HazardEntry
from coldline.coherence.judge import Hazard, Report, Sink, Source, check, profile_of, report
from coldline.coherence.rules import Microstate, Profile

if TYPE_CHECKING:
    from coldline.coherence.checker import Checker

__all__ = [
    "Checker",
    "Hazard",
    "HazardEntry",
    "Microstate",
    "Profile",
    "Report",
    "Sink",
    "Source",
    "check",
    "profile_of",
    "report",
]


def __getattr__(name: str) -> Any:
    """`Checker`, when it is asked for: those who only name it need not wait for its tables."""
    if name == "Checker":
        from coldline.coherence.checker import Checker

        return Checker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
