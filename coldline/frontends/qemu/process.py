# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU as a process of this one: its start with the plugin, its end, and what it complained of."""

import ctypes
import os
import signal
import subprocess
import tempfile
from typing import Final, TextIO

from coldline.errors import QemuError

_PR_SET_PDEATHSIG: Final = 1
"""linux include/uapi/linux/prctl.h"""

_PATIENCE_S: Final = 5.0


class Qemu:
    """The process.

    Parameters
    ----------
    words : list of str
        Its command line.
    console : text file or None
        Where its standard output goes; None for this process's.

    Raises
    ------
    QemuError
        If it cannot be started.
    """

    def __init__(self, words: list[str], console: TextIO | None) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        libc = ctypes.CDLL(None)

        def die_with_parent() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

        try:
            self._process = subprocess.Popen(
                words, stdout=console, stderr=self._complaints, preexec_fn=die_with_parent
            )
        except OSError as error:
            self._complaints.close()
            raise QemuError(f"{words[0]}: does not start: {error.strerror}") from error

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs, and the negative number of the signal that ended it."""
        return self._process.poll()

    def complaints(self) -> str:
        """Return what it wrote on standard error."""
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 100_000))
        return self._complaints.read().decode("utf-8", "replace")

    def close(self) -> None:
        """End it, if it runs."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._complaints.close()
