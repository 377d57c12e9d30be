# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the commands of a build, and keeps what was built."""

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from testbed.builds.modules import BuildError
from testbed.packages import cache

__all__ = ["kept_build", "run_build"]

_TIMEOUT_S: Final = 1800


def run_build(words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command of a build in a folder.

    Parameters
    ----------
    words : sequence of str
        The command.
    folder : Path
        Where it is run.
    environment : mapping of str to str, optional
        All of its environment; by default this process's.

    Raises
    ------
    BuildError
        If it cannot be run, fails, or does not end in half an hour; with the last lines that it printed.
    """
    what = " ".join(word for word in words if "=" not in word and not word.startswith("-j"))
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{what}: not done after {_TIMEOUT_S} s") from error
    except OSError as error:
        raise BuildError(f"{words[0]}: {error.strerror}") from error
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-20:])
        raise BuildError(f"{what}: exit status {done.returncode}\n{last}")


def kept_build(name: str, build: Callable[[Path, Path], None]) -> Path:
    """Return the folder of the cache that keeps a build; it is built unless it was before.

    Parameters
    ----------
    name : str
        The folder's name, with the version.
    build : callable
        Builds in the folder that it is given first, and puts what is to be kept into the second one.
    """
    folder = cache.cache_folder() / name
    with cache.locked(cache.cache_folder()):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder.parent) as temporary:
                scratch, kept = Path(temporary) / "build", Path(temporary) / "kept"
                scratch.mkdir()
                kept.mkdir()
                build(scratch, kept)
                kept.replace(folder)
    return folder
