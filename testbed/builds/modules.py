# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel modules and libraries for dom0, cross-built: coldline's driver, what `coldline xl` preloads, and others."""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from coldline.errors import ColdlineError
from testbed.packages import debian, foreign_libc
from testbed.packages.cache import cache_folder
from testbed.packages.sources import Sources

__all__ = [
    "CROSS_PREFIXES",
    "DRIVER",
    "MODULE",
    "PRELOADED",
    "BuildError",
    "build",
    "build_library",
    "build_preloaded",
    "make_module",
]

DRIVER = Path(__file__).resolve().parents[2] / "driver"
"""The folder of the module's source."""

CROSS_PREFIXES = {"arm64": "aarch64-linux-gnu-", "armhf": "arm-linux-gnueabihf-"}
"""The prefix of each architecture's compilers."""

_KERNEL_ARCHITECTURES = {"arm64": "arm64", "armhf": "arm"}
MODULE = "xen-coldline.ko"
PRELOADED = "libcoldline-xl.so"
_TIMEOUT_S = 300


class BuildError(ColdlineError):
    """The module could not be built; the message has the build's output."""


def build(sources: Sources, *, extra: tuple[str, ...] = ()) -> Path:
    """Return the module's path; it is built unless it exists for this source.

    Parameters
    ----------
    sources : Sources
        The packages of the kernel that it is for.
    extra : tuple of str
        More words for ``make``, such as ``W=1``; with any, the module is always built again.

    Raises
    ------
    BuildError
        If the compiler is not installed, or the build fails or warns.
    """
    files = sorted(path for path in DRIVER.iterdir() if path.suffix in (".c", ".h") or path.stem == "Kbuild")
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    folder = cache_folder() / sources.architecture / "driver" / sources.release
    target = folder / f"{digest.hexdigest()[:16]}-{MODULE}"
    if target.is_file() and not extra:
        return target
    make_module(sources, {path.name: path for path in files}, target, extra=extra)
    return target


def make_module(
    sources: Sources,
    files: Mapping[str, Path],
    target: Path,
    *,
    headers: Mapping[str, Path] | None = None,
    extra: tuple[str, ...] = (),
) -> None:
    """Build a kernel module.

    Parameters
    ----------
    sources : Sources
        The packages of the kernel that it is for.
    files : mapping of str to Path
        Its source, one of them ``Kbuild``, by their names.
    target : Path
        The file to write; what follows the first ``-`` in its name is the module's.
    headers : mapping of str to Path, optional
        Files that replace some of the kernel's headers, by their paths in the kernel's source.
    extra : tuple of str
        More words for ``make``.

    Raises
    ------
    BuildError
        If the compiler is not installed, or the build fails or warns.
    """
    prefix = _prefix(sources.architecture)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as temporary:
        scratch = Path(temporary)
        module = scratch / "module"
        module.mkdir()
        for name, path in files.items():
            shutil.copy(path, module / name)
        tree = _kernel_tree(sources, scratch, prefix)
        for name, path in (headers or {}).items():
            replaced = scratch / "usr" / "src" / sources.common_headers.name / name
            replaced.unlink()  # it is a link to the package's file
            shutil.copy(path, replaced)
        _make(
            "-C", os.fspath(tree), f"M={module}",
            f"ARCH={_KERNEL_ARCHITECTURES[sources.architecture]}", f"CROSS_COMPILE={prefix}",
            # types for BPF would need pahole, and the module's are not used
            "CONFIG_DEBUG_INFO_BTF_MODULES=",
            # an option of gcc 14, for tracing; the older one that does nearly the same is then taken
            "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", f"-j{os.cpu_count() or 1}", *extra, "modules",
        )  # fmt: skip
        (module / target.name.partition("-")[2]).replace(target)


def build_preloaded(sources: Sources, folder: Path) -> Path:
    """Build the library that `coldline xl` preloads, against that release's C library; return its path in `folder`.

    Raises
    ------
    BuildError
        If the compiler is not installed, or the build fails.
    testbed.packages.apt.FetchError
        If the C library's headers cannot be fetched.
    """
    includes, library = _c_library(sources)
    shutil.copytree(DRIVER / "preload", folder / "preload", ignore=shutil.ignore_patterns("*.so"))
    shutil.copy(DRIVER / "coldline.h", folder)
    _make(
        "-C",
        os.fspath(folder / "preload"),
        f"CROSS_COMPILE={_prefix(sources.architecture)}",
        "CPPFLAGS=" + " ".join(f"-isystem {path}" for path in includes),
        "LDFLAGS=-nostdlib",
        f"LIBRARIES={library}",
    )
    return folder / "preload" / PRELOADED


def build_library(sources: Sources, source: Path, target: Path) -> None:
    """Build a library for dom0 from one file in C, which can include the driver's interface.

    Raises
    ------
    BuildError
        If the compiler is not installed, or the build fails.
    testbed.packages.apt.FetchError
        If the C library's headers cannot be fetched.
    """
    includes, library = _c_library(sources)
    _run(
        f"{_prefix(sources.architecture)}gcc", "-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror",
        f"-I{DRIVER}", *(f"-isystem{path}" for path in includes), "-shared", "-nostdlib", "-o", os.fspath(target),
        os.fspath(source), os.fspath(library),
    )  # fmt: skip


def _c_library(sources: Sources) -> tuple[list[Path], Path]:
    """Return the folders of the C library's headers for dom0, and the library."""
    names = ["libc6-dev", "linux-libc-dev"]
    trees = debian.packages(sources.architecture, names, suite=sources.suite)
    triplet = _prefix(sources.architecture).removesuffix("-")
    includes = [trees[name] / "usr" / "include" / last for name in names for last in ("", triplet)]
    (library,) = (path for tree in sources.user_space for path in tree.glob("**/libc.so.6"))
    return includes, library


def _prefix(architecture: str) -> str:
    prefix = CROSS_PREFIXES[architecture]
    if shutil.which(f"{prefix}gcc") is None:
        raise BuildError(f"{prefix}gcc is not installed: scripts/setup --testbed installs it")
    return prefix


def _kernel_tree(sources: Sources, folder: Path, prefix: str) -> Path:
    """Combine the kernel's packages as an installation would, with programs for this host."""
    source = folder / "usr" / "src"
    shutil.copytree(
        sources.common_headers, source / sources.common_headers.name, symlinks=True, copy_function=os.link
    )
    tree = source / sources.headers.name
    shutil.copytree(sources.headers, tree, symlinks=True)
    (folder / "usr" / "lib").mkdir()
    _put_programs(sources, folder / "usr" / "lib" / sources.kbuild.name)
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{source}/"))
    (tree / ".kernelvariables").write_text(
        f"override ARCH = {_KERNEL_ARCHITECTURES[sources.architecture]}\n"
        f"override KERNELRELEASE = {sources.release}\n"
        f"CC = {prefix}gcc\n"
        "DEBIAN_KERNEL_NO_CC_VERSION_CHECK = y\n"
    )
    return tree


def _put_programs(sources: Sources, target: Path) -> None:
    """Install the build's programs so that they run on this host even if its C library is older."""
    shutil.copytree(sources.kbuild, target, symlinks=True, copy_function=os.link)
    for program in (path for path in target.rglob("*") if path.is_file() and os.access(path, os.X_OK)):
        if not foreign_libc.can_run(program):
            source = sources.kbuild / program.relative_to(target)
            words = shlex.join(foreign_libc.with_libraries(source, sources.suite))
            program.unlink()
            program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            program.chmod(0o755)


def _make(*words: str) -> None:
    _run("make", *words)


def _run(*words: str) -> None:
    try:
        done = subprocess.run(
            words,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"the driver's build did not end within {_TIMEOUT_S} s") from error
    except OSError as error:
        raise BuildError(f"{words[0]}: {error.strerror}") from error
    if done.returncode or "warning:" in done.stderr:
        raise BuildError(f"it does not build:\n{done.stderr.strip() or done.stdout.strip()}")
