# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of one cache line, and the check that follows them through all of memory.

The path: `rules` say what may happen to a byte; `automaton` makes them deterministic; `lines` put bytes
together; `memory` and `pages` hold what is known of every line and why; `follow` takes events through them
(`stream` where there are many), which is what a `checker` does; `histories` and `witness` tell how a bad read
comes about; `judge` puts it in a report.
"""

from coldline.coherence.checker import Checker
from coldline.coherence.findings import HazardEntry
from coldline.coherence.judge import Hazard, Report, Sink, Source, check, report
from coldline.coherence.rules import Microstate, Profile

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
    "report",
]
