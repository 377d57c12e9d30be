# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the kernel's checkpatch.pl, from Debian's package of the kernel's source, on the driver."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from testbed import apt, debian
from testbed.cache import architecture_folder, cache_folder
from testbed.modules import DRIVER, BuildError

__all__ = ["check"]

_FILES = ("scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch")
# An out-of-tree module has no entry in MAINTAINERS, and no device tree bindings.
_WORDS = ("--no-tree", "--strict", "--terse", "--show-types", "--file")


def check(release: str, *, suite: str | None = None) -> str:
    """Return checkpatch's complaints about the driver, or an empty string.

    Parameters
    ----------
    release : str
        The kernel's release, such as ``6.1.0-52-arm64``; its first two numbers name the source package.
    suite : str, optional
        The Debian suite of the kernel.

    Raises
    ------
    testbed.apt.FetchError
        If the source cannot be fetched (some 140 MB, the first time).
    BuildError
        If Perl is not installed, or the script fails.
    """
    if shutil.which("perl") is None:
        raise BuildError("perl is not installed")
    script = _script(".".join(release.split(".")[:2]), suite)
    files = sorted(os.fspath(path) for path in DRIVER.iterdir() if path.suffix in (".c", ".h"))
    done = subprocess.run(
        ["perl", os.fspath(script), *_WORDS, *files], cwd=DRIVER, capture_output=True, text=True, check=False
    )
    if done.stderr:
        raise BuildError(f"checkpatch.pl: {done.stderr.strip()}")
    complaints = [line for line in done.stdout.splitlines() if not line.startswith("total: 0 errors, 0 warn")]
    return "\n".join(complaints)


def _script(version: str, suite: str | None) -> Path:
    """Return the path of the script, whose folder has the files that it reads."""
    folder = cache_folder() / f"checkpatch-{version}"
    if not folder.is_dir():
        architecture = apt.host_architecture()
        name = f"linux-source-{version}"
        package = debian.packages(architecture, [name], suite=suite)[name]
        (archive,) = package.glob("usr/src/*.tar.xz")
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder.parent) as temporary:
            unpacked = Path(temporary) / "files"
            unpacked.mkdir()
            with tarfile.open(archive, "r|xz") as tar:
                missing = set(_FILES)
                for member in tar:
                    inside = member.name.partition("/")[2]
                    if inside in missing and (file := tar.extractfile(member)):
                        (unpacked / Path(inside).name).write_bytes(file.read())
                        missing.discard(inside)
                        if not missing:
                            break
            unpacked.replace(folder)
        shutil.rmtree(package)  # only the script is needed
        (architecture_folder(architecture, suite) / "trees" / name).unlink()
    return folder / "checkpatch.pl"
