# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU as a process of this one: its start with the plugin, its end, and what it complained of."""

import ctypes
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from typing import Final

from coldline.errors import QemuError

_PR_SET_PDEATHSIG: Final = 1
"""linux include/uapi/linux/prctl.h"""

_PATIENCE_S: Final = 5.0
_PIECE: Final = 1 << 16


class Qemu:
    """The process.

    Parameters
    ----------
    words : list of str
        Its command line.
    console : callable
        Gets what it writes on standard output, in a thread.

    Raises
    ------
    QemuError
        If it cannot be started.
    """

    def __init__(self, words: list[str], console: Callable[[bytes], None]) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        libc = ctypes.CDLL(None)

        def die_with_parent() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

        try:
            self._process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=self._complaints, preexec_fn=die_with_parent
            )
        except OSError as error:
            self._complaints.close()
            raise QemuError(f"{words[0]}: does not start: {error.strerror or error}") from error
        self._printer = threading.Thread(target=self._print, args=(console,), name="console", daemon=True)
        self._printer.start()

    def _print(self, console: Callable[[bytes], None]) -> None:
        assert self._process.stdout is not None
        while text := os.read(self._process.stdout.fileno(), _PIECE):
            console(text)

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs, and the negative number of the signal that ended it."""
        return self._process.poll()

    def complaints(self) -> str:
        """Return what it wrote on standard error."""
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 100_000))
        return self._complaints.read().decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        """The last thing that it complained of: the last line that begins with its name, or its exit status."""
        lines = [line for line in self.complaints().splitlines() if line.startswith(("qemu-", "ERROR"))]
        return lines[-1].partition(": ")[2] if lines else f"its exit status is {self.status}"

    def close(self) -> None:
        """End it, if it runs."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._printer.join(_PATIENCE_S)
        if self._process.stdout is not None and not self._printer.is_alive():
            self._process.stdout.close()
        self._complaints.close()
