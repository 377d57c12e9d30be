# SPDX-License-Identifier: GPL-2.0-or-later
"""The check's inner loops, as Python that Numba compiles; only this module and `frame` are imported
otherwise.

They hold no rule: what a letter makes of a byte is a look-up in the arrays of `Transitions`, and whatever is not
plain they leave to `coldline.checker.interpreter`.
"""

from coldline.jit import code_cache

MODULE = "coldline.checker.compiled.events"


def is_compiled() -> bool:
    """Whether the machine code is there to be loaded."""
    return code_cache.is_kept(MODULE)


def prepare() -> None:
    """Compile, where that has not been done: in a thread that can be interrupted."""
    if not is_compiled():
        from coldline.checker.fast_path import loops

        loops()
