# SPDX-License-Identifier: GPL-2.0-or-later
"""dom0's file system: an initramfs of two archives, what the packages give and what the tree gives."""

import hashlib
import importlib.util
import os
import py_compile
import shutil
import subprocess
import tempfile
from pathlib import Path

from testbed.debian import FetchError, cache_folder
from testbed.sources import Sources

__all__ = ["build"]

_ROOT = Path(__file__).resolve().parent.parent
# In the order in which they go in: what a module needs comes before it.
_MODULES = (
    "xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "virtio_mmio",
    "netfs", "fscache", "9pnet", "9pnet_virtio", "9p",
)  # fmt: skip
_MERGED = ("bin", "sbin", "lib")
_FOLDERS = (
    "dev",
    "proc",
    "sys",
    "tmp",
    "run",
    "host",
    "root",
    "etc",
    "var",
    "usr/local/bin",
    "usr/lib/modules",
)
_LEFT_OUT = (
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/bug",
    "usr/share/info", "usr/include", "boot", "etc/init.d", "etc/default", "usr/share/python3",
    "usr/share/perl5", "usr/lib/systemd",
)  # fmt: skip


def build(sources: Sources, driver: Path, target: Path) -> None:
    """Write an initramfs that boots into ``testbed/dom0/init``.

    Parameters
    ----------
    sources : Sources
        The packages it is made of.
    driver : Path
        coldline's kernel module.
    target : Path
        The file to write.

    Raises
    ------
    FetchError
        If an archive cannot be made.
    """
    with target.open("wb") as file:
        for archive in (_packages(sources), _tree(sources, driver, target.parent)):
            with archive.open("rb") as part:
                shutil.copyfileobj(part, file, 1 << 20)


def _packages(sources: Sources) -> Path:
    """Return the archive of what the packages give, made anew when one of them or this file changes."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update("\n".join(str(path) for path in (sources.modules, *sources.user_space)).encode())
    target = cache_folder() / sources.architecture / f"dom0-{digest.hexdigest()[:16]}.cpio"
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=target.parent) as temporary:
        root = Path(temporary) / "root"
        for folder in _FOLDERS:
            (root / folder).mkdir(parents=True)
        for name in _MERGED:
            (root / "usr" / name).mkdir(exist_ok=True)
            (root / name).symlink_to(f"usr/{name}")
        for package in sources.user_space:
            _merge(package, root)
        (root / "usr/bin/python3").unlink(missing_ok=True)
        (root / "usr/bin/python3").symlink_to("python3.11")
        _compile(root)
        for name in _MODULES:
            (module,) = sources.modules.rglob(f"{name}.ko")
            shutil.copy(module, root / "usr/lib/modules")
        (root / "usr/lib/modules/order").write_text("".join(f"{name}\n" for name in _MODULES))
        _archive(root, Path(temporary) / "cpio")
        (Path(temporary) / "cpio").replace(target)
    return target


def _merge(package: Path, root: Path) -> None:
    """Link a package's files into a file system whose /bin, /sbin and /lib are in /usr."""
    for folder, folders, files in os.walk(package):
        inside = Path(folder).relative_to(package)
        if str(inside) in _LEFT_OUT:
            folders.clear()
            continue
        place = root / ("usr" / inside if inside.parts[:1] and inside.parts[0] in _MERGED else inside)
        place.mkdir(parents=True, exist_ok=True)
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*files, *linked):
            if not (place / name).is_symlink() and not (place / name).exists():
                os.link(Path(folder) / name, place / name, follow_symlinks=False)


def _compile(root: Path) -> None:
    """Compile the packages' Python, if this Python writes what theirs reads: it would take emulated seconds."""
    if (3495).to_bytes(2, "little") + b"\r\n" != importlib.util.MAGIC_NUMBER:  # Python 3.11
        return
    for folder in (root / "usr/lib/python3.11", root / "usr/lib/python3/dist-packages"):
        for source in folder.rglob("*.py"):
            try:
                py_compile.compile(
                    os.fspath(source),
                    dfile=f"/{source.relative_to(root)}",
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
            except py_compile.PyCompileError:
                continue  # templates, and tests of broken syntax


def _tree(sources: Sources, driver: Path, scratch: Path) -> Path:
    """Return the archive of what this tree gives: coldline, its driver, the tests and init."""
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=scratch) as temporary:
        root = Path(temporary)
        place = root / "opt/coldline"
        shutil.copytree(_ROOT / "coldline", place / "coldline", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(_ROOT / "testbed/dom0", place / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(driver, place / "xen-coldline.ko")
        shutil.copy(_ROOT / "driver/coldline.h", place)
        shutil.copy(_ROOT / "testbed/dom0/init", root / "init")
        (root / "init").chmod(0o755)
        target = scratch / "tree.cpio"
        _archive(root, target)
    return target


def _archive(root: Path, target: Path) -> None:
    """Write a folder as the kernel unpacks it: cpio's newc format, everything root's."""
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    command = ["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "+0:+0", "--reproducible"]
    try:
        with target.open("wb") as file:
            subprocess.run(
                command,
                cwd=root,
                input="\0".join(names).encode(),
                stdout=file,
                stderr=subprocess.PIPE,
                check=True,
            )
    except FileNotFoundError as error:
        raise FetchError("cpio is not installed: scripts/setup --testbed installs it") from error
    except subprocess.CalledProcessError as error:
        raise FetchError(f"cpio: {error.stderr.decode(errors='replace').strip()}") from error
