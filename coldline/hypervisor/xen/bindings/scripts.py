# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs Xen's hotplug scripts, which connect backends to dom0's disks and bridges."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

SCRIPT_LIMIT_S: Final = 40.0
"""Seconds: xen tools/libs/light/libxl_internal.h (4.17), LIBXL_HOTPLUG_TIMEOUT."""

TIMED_OUT: Final = 124
"""The status of a script that took too long: that of coreutils' timeout."""


class ScriptRunner:
    """Runs scripts as libxl does: without input, their output on standard error.

    Parameters
    ----------
    limit_s : float
        Seconds that a script may take.
    """

    def __init__(self, limit_s: float = SCRIPT_LIMIT_S) -> None:
        self._limit_s = limit_s

    def run(self, script: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a script; return its exit status: 0 if it has done its work, `TIMED_OUT` if it took too long,
        or minus the number of the signal that ended it.

        It has a session of its own, so that an interrupt from the terminal does not end it half-way.

        Raises
        ------
        OSError
            If it cannot be started.
        """
        import subprocess

        with subprocess.Popen(
            [script, *words],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
        ) as process:
            try:
                return process.wait(self._limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                return TIMED_OUT
