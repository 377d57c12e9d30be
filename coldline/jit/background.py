# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles a program beside the work that will use it, which goes on without it until then."""

import importlib.util
from typing import TYPE_CHECKING

from coldline.errors import CompilationError
from coldline.jit import code_cache

if TYPE_CHECKING:
    from coldline.jit.compiling import Compiler


class Beside:
    """The machine code of a program that work can do without; a context manager that ends the compiler.

    Parameters
    ----------
    program : str
        A module of `coldline.jit.programs`.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._compiler: Compiler | None = None
        self._looked = self._ready = self._never = False

    def is_ready(self, *, start: bool) -> bool:
        """Whether there is machine code, so that `code_cache.load_code` need not compile it.

        Parameters
        ----------
        start : bool
            Whether to begin to compile it if there is none.
        """
        if not self._looked:
            self._looked, self._ready = True, code_cache.is_kept(self._program)
        if self._ready or self._never:
            return self._ready
        if self._compiler is None:
            if start:
                self._start()
        elif self._compiler.has_ended():
            self._take()
        return self._ready

    def _start(self) -> None:
        from coldline.jit.compiling import Compiler

        if importlib.util.find_spec("numba") is None:
            self._never = True
        else:
            self._compiler = Compiler(self._program)

    def _take(self) -> None:
        assert self._compiler is not None
        compiler, self._compiler = self._compiler, None
        try:
            code_cache.keep_code(self._program, compiler.result())
            self._ready = True
        except CompilationError:
            self._never = True

    def close(self) -> None:
        """End the compiler."""
        if self._compiler is not None:
            self._compiler.kill()
            self._compiler = None

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
