# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of QEMU's control socket (QMP)."""

import contextlib
import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coldline.errors import ColdlineError

__all__ = ["ControlError", "Qmp"]


class ControlError(ColdlineError):
    """QEMU does not answer, or refuses a command."""


class Qmp:
    """A connection to a running QEMU (QEMU docs/interop/qmp-spec.rst).

    Parameters
    ----------
    path : Path
        QEMU's socket.
    timeout_s : float
        How long to wait for each answer, in seconds.

    Raises
    ------
    ControlError
        If QEMU does not answer.
    """

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("rb")
            self._next()  # its greeting
        except OSError as error:
            self._socket.close()
            raise ControlError(f"QEMU does not answer: {error}") from error
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: object) -> Any:
        """Execute a command; return QEMU's answer.

        Raises
        ------
        ControlError
            If QEMU refuses, or ends, or does not answer in time.
        """
        try:
            self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            while True:
                answer = self._next()
                if "error" in answer:
                    raise ControlError(f"QEMU refuses {name}: {answer['error'].get('desc')}")
                if "return" in answer:
                    return answer["return"]
        except OSError as error:
            raise ControlError(f"QEMU does not answer to {name}: {error}") from error

    def _next(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ControlError("QEMU has ended")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Close the socket; QEMU continues."""
        with contextlib.suppress(OSError):
            self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
