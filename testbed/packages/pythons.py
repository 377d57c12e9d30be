# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes virtual environments with Debian's later Pythons, each run with its release's own C library.

From a shell, at the top of the tree::

    python -m testbed.packages.pythons 3.13

prints the path of a Python with coldline and its tests' dependencies, and makes it the first time. It is an ordinary
virtual environment, except for its ``bin/python``. That is a script in which the release's loader starts Debian's
program under the script's name. So programs that the tests start with `sys.executable` use that Python, too.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from coldline.errors import ColdlineError, UsageError
from testbed.packages import apt, cache, debian, foreign_libc

__all__ = ["SUITES", "InstallError", "environment", "main"]

SUITES = {"3.13": "trixie", "3.14": "forky"}
"""The Debian suite of each version of Python."""

_ROOT = Path(__file__).resolve().parents[2]
# The libraries that Python's own extensions and PyPI's wheels are linked with.
_LIBRARIES = (
    "libbz2-1.0", "libexpat1", "libffi8", "libgcc-s1", "liblzma5", "libssl3t64", "libstdc++6", "libuuid1",
    "libzstd1", "zlib1g",
)  # fmt: skip


class InstallError(ColdlineError):
    """pip could not install coldline for that Python."""


def environment(version: str) -> Path:
    """Return the Python of an environment with everything that `scripts/setup --test` installs; make it if missing.

    Parameters
    ----------
    version : str
        One of `SUITES`.

    Raises
    ------
    UsageError
        If `SUITES` does not have that version.
    testbed.packages.apt.FetchError
        If Debian's packages cannot be fetched.
    InstallError
        If coldline or its dependencies cannot be installed.
    """
    if version not in SUITES:
        raise UsageError(f"no Python {version!r}; choose from: {', '.join(SUITES)}")
    suite = SUITES[version]
    folder = cache.cache_folder().parent / "pythons" / version
    with cache.locked(folder):
        names = [f"python{version}-minimal", f"libpython{version}-minimal", f"libpython{version}-stdlib"]
        headers = f"libpython{version}-dev"
        trees = debian.packages(apt.host_architecture(), [*names, headers], suite=suite)
        program = folder / "base" / "usr" / "bin" / f"python{version}"
        start = foreign_libc.with_libraries(program, suite, *_LIBRARIES)
        wanted = "\n".join(
            [str(_ROOT), *start, *map(str, trees.values())]
            + [(_ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt")]
        )
        stamp, python = folder / "made", folder / "venv" / "bin" / "python"
        if not stamp.is_file() or stamp.read_text() != wanted:
            for old in ("base", "venv"):
                shutil.rmtree(folder / old, ignore_errors=True)
            for tree in trees.values():
                shutil.copytree(
                    tree, folder / "base", symlinks=True, copy_function=os.link, dirs_exist_ok=True
                )
            _make(python, program, start)
            _install(python, folder / "base" / "usr" / "include")
            cache.write(stamp, wanted)
    return python


def _make(python: Path, program: Path, start: list[str]) -> None:
    """Make a virtual environment as venv does; Python detects by its own path that it is in one."""
    python.parent.mkdir(parents=True)
    (python.parent.parent / "pyvenv.cfg").write_text(
        f"home = {program.parent}\ninclude-system-site-packages = false\n"
    )
    loader, *options = start[:-1]
    python.write_text(
        f'#!/bin/sh\nexec {shlex.join([loader, *options])} --argv0 "$0" {shlex.quote(start[-1])} "$@"\n'
    )
    python.chmod(0o755)


def _install(python: Path, headers: Path) -> None:
    apt.say(f"installing coldline and its tools for {python.parent.parent.parent.name}")
    pins = os.fspath(_ROOT / "constraints.txt")
    line = [sys.executable, "-m", "pip", "--python", os.fspath(python), "install", "--quiet", "--no-input"]
    done = subprocess.run(
        [*line, "--disable-pip-version-check", "--editable", f"{_ROOT}[test]"],
        env={**os.environ, "PIP_CONSTRAINT": pins, "PIP_BUILD_CONSTRAINT": pins, "CPATH": os.fspath(headers)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InstallError(f"pip for {python}: {done.stderr.strip()[-2000:]}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 2 if Debian's packages cannot be fetched, 1 for another error."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.packages.pythons",
        description="Make an environment with a later Python of Debian's.",
    )
    parser.add_argument("version", choices=SUITES)
    options = parser.parse_args(arguments)
    try:
        print(environment(options.version))
    except ColdlineError as error:
        apt.say(str(error))
        return 2 if isinstance(error, apt.FetchError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
