# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what the patches in ``driver/rfc-v2`` change: Linux's privcmd, and Xen's libraries and xl."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from testbed.builds import modules, xen_tools
from testbed.builds.kernel_source import PRIVCMD, PRIVCMD_HEADER, kernel_files
from testbed.builds.modules import DRIVER, BuildError
from testbed.builds.xen_source import xen_source
from testbed.packages.cache import architecture_folder, cache_folder
from testbed.packages.sources import Sources

__all__ = [
    "FOLDER", "INSTALLED", "LINUX_PATCHES", "PRIVCMD_MODULE", "XEN_PATCHES", "apply", "install", "module", "tools",
]  # fmt: skip

FOLDER = DRIVER / "rfc-v2"
"""The folder of the patches."""

LINUX_PATCHES = tuple(sorted(FOLDER.glob("*-linux-*.patch")))
XEN_PATCHES = tuple(sorted(FOLDER.glob("*-xen-*.patch")))
"""The patches, in their order."""

INSTALLED = "/opt/rfc-v2"
"""Where dom0 has xl and the libraries."""

PRIVCMD_MODULE = "xen-privcmd"
"""The module that has the ioctl."""

_HOW = Path(xen_tools.__file__)
_RECORDER = FOLDER / "map_types.c"
_KBUILD = "obj-m := xen-privcmd.o\nxen-privcmd-y := privcmd.o privcmd-buf.o\n"
# The patches are against Xen 4.20. In 4.17, the last line of one file's context differs.
_FUZZ = 3


def apply(patches: tuple[Path, ...], tree: Path) -> None:
    """Apply patches to a source tree.

    Raises
    ------
    BuildError
        If one does not apply, or patch is not installed.
    """
    if shutil.which("patch") is None:
        raise BuildError("patch is not installed: scripts/setup --testbed installs it")
    for path in patches:
        words = ["patch", "--strip=1", "--batch", "--forward", f"--fuzz={_FUZZ}", f"--input={path}"]
        done = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"{path.name} does not apply:\n{done.stdout.strip()}")


def module(sources: Sources, *, suite: str | None = None) -> Path:
    """Return the path of ``xen-privcmd.ko`` with the patch; it is built unless it exists.

    Parameters
    ----------
    sources : Sources
        The packages of the kernel that it is for.
    suite : str, optional
        The Debian suite of the kernel.

    Raises
    ------
    BuildError
        If the patch does not apply, or the build fails or warns.
    testbed.packages.apt.FetchError
        If the kernel's source cannot be fetched.
    """
    folder = cache_folder() / sources.architecture / "driver" / sources.release
    target = folder / f"{_digest(LINUX_PATCHES)}-{PRIVCMD_MODULE}.ko"
    if not target.is_file():
        with tempfile.TemporaryDirectory(prefix="coldline-rfc-v2-") as temporary:
            tree = Path(temporary) / "linux"
            shutil.copytree(kernel_files(sources.release, suite=suite), tree)
            apply(LINUX_PATCHES, tree)
            kbuild = tree / "Kbuild"
            kbuild.write_text(_KBUILD)
            files = {path.name: path for path in (kbuild, *(tree / name for name in PRIVCMD))}
            modules.make_module(sources, files, target, headers={PRIVCMD_HEADER: tree / PRIVCMD_HEADER})
    return target


def tools(sources: Sources, *, source: Path | None = None) -> Path:
    """Return a folder with xl in ``bin`` and Xen's libraries in ``lib``, with the patches; they are built once.

    Parameters
    ----------
    sources : Sources
        The packages of the dom0 that they are for.
    source : Path, optional
        Xen's source, instead of Debian's source package. What is built from it is built each time.

    Raises
    ------
    BuildError
        If a patch does not apply, or the build fails.
    testbed.packages.apt.FetchError
        If a package cannot be fetched.
    """
    tree = source or xen_source(sources.xen_version, suite=sources.suite)
    folder = architecture_folder(sources.architecture, sources.suite)
    target = folder / "rfc-v2" / f"xen-{sources.xen_version}-{_digest((*XEN_PATCHES, _HOW))}"
    if source is not None:
        if not (source / "tools" / "configure").is_file():
            raise BuildError(f"{source}: not Xen's source: no tools/configure")
        shutil.rmtree(target, ignore_errors=True)
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as temporary:
            copy = Path(temporary) / "xen"
            shutil.copytree(tree, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
            apply(XEN_PATCHES, copy)
            xen_tools.build(sources, copy, target)
    return target


def install(sources: Sources, folder: Path, *, source: Path | None = None) -> None:
    """Fill a folder with what dom0 has as `INSTALLED`: `tools`, and the library that records memory types.

    The parameters and the errors are those of `tools`.
    """
    shutil.copytree(tools(sources, source=source), folder, symlinks=True)
    modules.build_library(sources, _RECORDER, folder / "lib" / "map_types.so")


def _digest(files: tuple[Path, ...]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
