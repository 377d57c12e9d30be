# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles several programs at once, each in a process of its own (`coldline.jit.compiler`)."""

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from coldline.errors import CompilationError

_WAIT: Final = 0.1
"""The seconds between two looks at the processes."""

_QUICKLY: Final = {"NUMBA_OPT": "0"}
"""Numba optimises each function, which takes half of its time, and `coldline.jit.linker` does that again for all."""


def compile_together(
    programs: Sequence[str],
    told: Callable[[int, int], None],
    take: Callable[[str, bytes], None],
    variables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Compile programs, as many at once as there are processors.

    Parameters
    ----------
    programs : sequence of str
        Modules of `coldline.jit.programs`.
    told : callable
        Called now and then with how many are compiled, and how many there are to compile.
    take : callable
        Gets each program and its packed code.
    variables : mapping of str to str
        More environment variables for the compiler.

    Raises
    ------
    CompilationError
        If a compiler's process fails.
    ModuleNotFoundError
        If there is something to compile, and no compiler.
    """
    if programs and importlib.util.find_spec("numba") is None:
        raise ModuleNotFoundError("No module named 'numba'", name="numba")
    waiting, running = list(programs), list[Compiler]()
    most, done = len(os.sched_getaffinity(0)), 0
    try:
        while waiting or running:
            while waiting and len(running) < most:
                running.append(Compiler(waiting.pop(0), variables))
            told(done, len(programs))
            running[0].wait(_WAIT)
            for each in [each for each in running if each.has_ended()]:
                running.remove(each)
                take(each.program, each.result())
                done += 1
    finally:
        for each in running:
            each.kill()


class Compiler:
    """A process that compiles one program, a module of `coldline.jit.programs`."""

    def __init__(self, program: str, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        self.program = program
        self._out, self._errors = (os.fdopen(os.memfd_create("coldline"), "w+b") for _ in range(2))
        import subprocess  # imported only when needed

        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "coldline.jit.compiler", program],
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._errors,
            env={
                **os.environ,
                **_QUICKLY,
                **variables,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
        )

    def wait(self, seconds: float) -> None:
        """Wait until it ends, but no longer than some seconds."""
        import subprocess

        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def result(self) -> bytes:
        """Return the packed code; it has ended.

        Raises
        ------
        CompilationError
            If it failed.
        """
        status = self._process.returncode
        with self._out, self._errors:
            if status != 0:
                self._errors.seek(0)
                lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
                why = lines[-1] if lines else f"the compiler ended with status {status}"
                raise CompilationError(f"cannot compile {self.program}: {why}")
            self._out.seek(0)
            return self._out.read()

    def kill(self) -> None:
        """End it."""
        with self._out, self._errors:
            self._process.kill()
            self._process.wait()
