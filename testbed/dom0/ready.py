# SPDX-License-Identifier: GPL-2.0-or-later
"""dom0's last boot step: loads pytest, waits for the host, and runs the tests if the host asks for it.

A snapshot is made while this waits. Modules that are loaded by then need not be loaded in each run from the snapshot,
which would take seconds in the emulator.
"""

import contextlib
import ctypes  # noqa: F401 (what tests import, and coldline)
import fcntl  # noqa: F401
import importlib
import json
import os
import random  # noqa: F401
import select  # noqa: F401
import signal  # noqa: F401
import subprocess
import sys
import tempfile  # noqa: F401
import xml.etree.ElementTree  # noqa: F401
from pathlib import Path

os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

import pytest
from _pytest.config import get_config

HOST = Path("/host")
WANTED = HOST / "pytest"


def main() -> int:
    """Return 0 if dom0 shall continue, with the host's other commands."""
    with contextlib.suppress(AttributeError):
        get_config()  # loads pytest's own plugins
    print("dom0 is ready", flush=True)
    sys.stdin.readline()
    if status := subprocess.run(["sh", "/go-on"], check=False).returncode:
        return status
    if WANTED.exists():
        report(run(json.loads(WANTED.read_text())))
        os._exit(0)  # without Python's clean-up of everything that pytest has loaded
    return 0


def run(words: list[str]) -> int:
    """Run pytest; its output goes to the host."""
    os.chdir("/opt/coldline")
    sys.path[0] = os.getcwd()
    importlib.invalidate_caches()  # the folder was not there before
    output = os.open(HOST / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    try:
        return int(pytest.main(words))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def report(status: int) -> None:
    """Write a message to the host, in one write."""
    scratch = HOST / "status.new"
    scratch.write_text(f"{status}\n")
    os.sync()
    scratch.rename(HOST / "status")


if __name__ == "__main__":
    sys.exit(main())
