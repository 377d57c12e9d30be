# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a command at its own terminal, as a user would."""

import contextlib
import os
import pty
import select
import subprocess
import time
from typing import Self

END_KEY = b"\x1d"


class Terminal:
    """A command that runs at a pseudo-terminal; on leaving it is killed if it has not ended.

    Attributes
    ----------
    process : subprocess.Popen
        The command's process.
    seen : bytes
        All its output so far.
    """

    def __init__(self, *words: str) -> None:
        self._own, others = pty.openpty()
        self.process = subprocess.Popen(
            words, stdin=others, stdout=others, stderr=others, start_new_session=True
        )
        os.close(others)
        self.seen = b""

    def type(self, data: bytes) -> None:
        os.write(self._own, data)

    def _read(self, within_s: float) -> None:
        if select.select([self._own], [], [], within_s)[0]:
            with contextlib.suppress(OSError):  # EIO: all other descriptors are closed
                self.seen += os.read(self._own, 4096)

    def ask(self, line: bytes, wanted: bytes, within_s: float = 90) -> None:
        """Type a line until it is answered: a shell that starts drops what was typed before."""
        end = time.monotonic() + within_s
        while wanted not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            self.type(line)
            again = time.monotonic() + 2
            while wanted not in self.seen and time.monotonic() < again:
                assert self.process.poll() is None, self.seen[-2000:]
                self._read(0.2)

    def ended(self, within_s: float = 30) -> int:
        """Read until the command ends; return its exit status."""
        end = time.monotonic() + within_s
        while self.process.poll() is None:
            assert time.monotonic() < end, self.seen[-2000:]
            self._read(0.1)
        while select.select([self._own], [], [], 0)[0]:
            before = len(self.seen)
            self._read(0)
            if len(self.seen) == before:
                break
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)
