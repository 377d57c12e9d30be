# SPDX-License-Identifier: GPL-2.0-or-later
"""The check's inner loops, as Python that Numba compiles; only this module and `frame` are imported
otherwise.

They hold no rule: what a letter makes of a byte is a look-up in the arrays of `Transitions`, and whatever is not
plain they leave to `coldline.coherence.follow`.
"""

from coldline import machinecode

MODULE = "coldline.coherence.compiled.events"
SOURCES = (
    "arm/memory_types.py",
    "coherence/compiled/events.py",
    "coherence/compiled/frame.py",
    "coherence/compiled/lines.py",
    "coherence/compiled/pages.py",
    "coherence/compiled/records.py",
    "coherence/compiled/rows.py",
    "coherence/compiled/values.py",
    "coherence/follow.py",
    "coherence/letters.py",
    "coherence/memory.py",
    "coherence/mixtures.py",
    "coherence/packing.py",
    "coherence/transitions.py",
    "native.py",
    "trace/columns.py",
    "trace/events.py",
)
"""What their machine code depends on."""


def is_compiled() -> bool:
    """Whether the machine code is there to be loaded."""
    return machinecode.is_kept(MODULE, SOURCES)


def prepare() -> None:
    """Compile, where that has not been done: in a thread that can be interrupted."""
    if not is_compiled():
        from coldline.coherence.machine import loops

        loops()
