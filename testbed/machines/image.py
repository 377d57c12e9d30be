# SPDX-License-Identifier: GPL-2.0-or-later
"""dom0's file system: an initramfs from Debian's packages, and an archive from this source tree."""

import hashlib
import lzma
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from testbed.packages import foreign_libc
from testbed.packages.apt import FetchError
from testbed.packages.cache import cache_folder
from testbed.packages.sources import Sources

__all__ = ["archive", "fill", "guest", "initrd", "merge", "tree"]

_ROOT = Path(__file__).resolve().parents[2]
_TESTBED = _ROOT / "testbed"
_DOM0 = _TESTBED / "dom0"
_GO_ON = {"go-on": "dom0/go-on-init"}
_STARTS = {
    "dom0": {"init": "dom0/init", "ready.py": "dom0/ready.py", **_GO_ON},
    "watched-dom0": {"init": "dom0/watch-init", **_GO_ON},
    "watched-kvm": {"init": "kvm/init", **_GO_ON},
}
"""Files of `_TESTBED` for the root of the file system, by what it is for."""

_NOT_SMALL = (
    "usr/lib/*-linux-gnu*/gconv",
    *(f"usr/lib/python3/dist-packages/{name}" for name in (
        "_pytest", "pytest*", "py.py", "attr*", "iniconfig*", "packaging*", "pluggy*",
    )),
    *(f"usr/lib/python3.*/{name}" for name in (
        "pydoc_data", "test", "asyncio", "unittest", "idlelib", "lib2to3", "ensurepip", "distutils", "tkinter",
        "turtledemo", "sqlite3", "xmlrpc", "wsgiref", "curses", "dbm", "venv", "_pyrepl", "pathlib/test",
    )),
)  # fmt: skip
"""What a dom0 that is watched does not need."""

# In the order of their loading: a module's dependencies come before it. Not all are modules in each kernel.
_MODULES = (
    "xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "virtio_mmio",
    "netfs", "fscache", "9pnet", "9pnet_virtio", "9p",
)  # fmt: skip
_DEVICE_MODULES = ("loop", "xen-blkback", "xen-netback", "llc", "stp", "bridge")
"""Of a dom0 that gives devices to guests."""

_DEVICE_PROGRAMS = ("bash", "losetup", "flock", "xenstore-*", "libsmartcols.so*")
"""Files that Xen's hotplug scripts need, of `Sources.device_tools`: this losetup can make read-only devices."""

_GUEST_MODULES = ("xen-blkfront", "xen-netfront")
"""Of a guest that has devices."""

_DIST_PACKAGES = "usr/lib/python3/dist-packages"
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


def initrd(sources: Sources, replaced: Mapping[str, Path] | None = None, *, start: str = "dom0") -> Path:
    """Return an initramfs.

    It is made again when a package, init, a file that init runs, or this module has changed.

    Parameters
    ----------
    sources : Sources
        The packages of that dom0.
    replaced : mapping of str to Path, optional
        Kernel modules to use instead of the packages' modules of these names.
    start : str
        What it boots into: ``dom0`` is ``testbed/dom0/init``, ``watched-dom0`` is ``testbed/dom0/watch-init``, and
        ``watched-kvm`` is ``testbed/kvm/init``. What is watched fits into 256 MiB: it is without pytest, and has
        Python's modules in compiled form only.

    Raises
    ------
    FetchError
        If it cannot be made.
    """
    init, small = _STARTS[start], start != "dom0"
    parts = (Path(__file__), *(_TESTBED / name for name in init.values()))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in parts))
    used = (
        sources.modules,
        *sources.user_space,
        *(() if small else (*sources.device_tools, sources.scripts)),
    )
    digest.update("\n".join(str(path) for path in used).encode())
    for name, module in sorted((replaced or {}).items()):
        digest.update(name.encode() + module.read_bytes())
    target = cache_folder() / sources.architecture / f"{start}-{digest.hexdigest()[:16]}.cpio"
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
            merge(package, root)
        if not small:
            for package in sources.device_tools:
                _link_some(package, root, _DEVICE_PROGRAMS)
            shutil.copytree(sources.scripts, root / "etc/xen/scripts", symlinks=True)
        (root / "usr/bin/python3").unlink(missing_ok=True)
        (root / "usr/bin/python3").symlink_to(sources.python)
        _compile(sources, root, f"usr/lib/{sources.python}", _DIST_PACKAGES)
        names = (*_MODULES, *(() if small else _DEVICE_MODULES))
        _copy_modules(sources, names, root / "usr/lib/modules", replaced or {})
        there = [name for name in names if (root / "usr/lib/modules" / f"{name}.ko").is_file()]
        (root / "usr/lib/modules/order").write_text("".join(f"{name}\n" for name in there))
        if small:
            _shrink(root)
        for name, source in init.items():
            shutil.copy(_TESTBED / source, root / name)
            (root / name).chmod(0o755)
        archive(root, Path(temporary) / "cpio")
        (Path(temporary) / "cpio").replace(target)
    return target


_COMMAND = """\
#!/usr/bin/python3
import sys
from coldline.__main__ import run
sys.exit(run())
"""
"""The script that an installer would write."""


def tree(
    sources: Sources,
    driver: Path,
    target: Path,
    library: Path | None = None,
    added: Mapping[str, Path] | None = None,
) -> None:
    """Write an archive for dom0's root from this tree: coldline, its driver and the tests.

    Parameters
    ----------
    sources : Sources
        The packages of that dom0.
    driver : Path
        coldline's kernel module.
    target : Path
        The file to write.
    library : Path, optional
        The library that `coldline xl` preloads.
    added : mapping of str to Path, optional
        More folders, by their paths in dom0.

    Raises
    ------
    FetchError
        If it cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=target.parent) as temporary:
        root = Path(temporary)
        place = root / "opt/coldline"
        shutil.copytree(_ROOT / "coldline", place / "coldline", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(
            _DOM0,
            place / "testbed/dom0",
            ignore=shutil.ignore_patterns("__pycache__", "init", "*-init", "ready.py"),
        )
        shutil.copytree(
            _TESTBED / "kvm", place / "testbed/kvm", ignore=shutil.ignore_patterns("__pycache__", "init")
        )
        shutil.copy(_ROOT / "testbed/__init__.py", place / "testbed")
        command = root / "usr/local/bin/coldline"
        command.parent.mkdir(parents=True)
        command.write_text(_COMMAND)
        command.chmod(0o755)
        shutil.copy(driver, place / "xen-coldline.ko")
        if library is not None:
            folder = root / "usr/local/lib/coldline"
            folder.mkdir(parents=True)
            shutil.copy(library, folder)
        shutil.copy(_ROOT / "driver/coldline.h", place)
        for name, content in (added or {}).items():
            shutil.copytree(content, root / name.lstrip("/"), symlinks=True)
        _compile(sources, root, "opt/coldline")
        _rewrite(sources, root, "opt/coldline/testbed/dom0")
        archive(root, target)


def fill(
    sources: Sources,
    driver: Path,
    folder: Path,
    library: Path | None = None,
    added: Mapping[str, Path] | None = None,
) -> None:
    """Fill a folder of the host with the files that dom0 reads from it: see ``testbed/dom0/init`` and `tree`."""
    tree(sources, driver, folder / "tree.cpio", library, added)
    guest(sources, folder / "guest")
    (folder / "now").write_text(f"{time.time():.0f}\n")


def guest(sources: Sources, folder: Path) -> None:
    """Write a Linux guest into a folder: ``kernel``, which is dom0's, and ``initrd``, with a shell on its console.

    Raises
    ------
    FetchError
        If it cannot be made.
    """
    folder.mkdir(exist_ok=True)
    shutil.copy(sources.kernel, folder / "kernel")
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder.parent) as temporary:
        root = Path(temporary)
        for name in ("dev", "proc", "sys", "usr/bin", "usr/local/bin"):
            (root / name).mkdir(parents=True)
        (busybox,) = (path for package in sources.user_space for path in package.glob("**/bin/busybox"))
        shutil.copy(busybox, root / "usr/bin")
        shutil.copy(_DOM0 / "guest-init", root / "init")
        (root / "init").chmod(0o755)
        (root / "modules").mkdir()
        _copy_modules(sources, _GUEST_MODULES, root / "modules")
        archive(root, folder / "initrd")


def merge(package: Path, root: Path, left_out: tuple[str, ...] = _LEFT_OUT) -> None:
    """Link a package's files into a file system whose /bin, /sbin and /lib are in /usr."""
    for folder, folders, files in os.walk(package):
        inside = Path(folder).relative_to(package)
        if str(inside) in left_out:
            folders.clear()
            continue
        place = root / ("usr" / inside if inside.parts[:1] and inside.parts[0] in _MERGED else inside)
        place.mkdir(parents=True, exist_ok=True)
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*files, *linked):
            if not (place / name).is_symlink() and not (place / name).exists():
                os.link(Path(folder) / name, place / name, follow_symlinks=False)


def _link_some(package: Path, root: Path, patterns: Iterable[str]) -> None:
    """Link a package's files with some names into a file system whose /bin, /sbin and /lib are in /usr."""
    for path in (path for pattern in patterns for path in package.rglob(pattern) if not path.is_dir()):
        inside = path.relative_to(package)
        place = root / ("usr" / inside if inside.parts[0] in _MERGED else inside)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, place, follow_symlinks=False)


def _shrink(root: Path) -> None:
    for pattern in _NOT_SMALL:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for compiled in root.glob("usr/lib/python3*/**/__pycache__/*.pyc"):
        source = compiled.parent.parent / f"{compiled.name.partition('.')[0]}.py"
        if source.is_file():
            source.unlink()  # a link to the package's own file
            source.touch()  # Python imports what it compiled, which it does not compare with its source


def _copy_modules(
    sources: Sources, names: Iterable[str], folder: Path, replaced: Mapping[str, Path] | None = None
) -> None:
    for name in names:
        for module in sources.modules.rglob(f"{name}.ko*"):
            _copy_module((replaced or {}).get(name, module), folder / f"{name}.ko")


def _copy_module(source: Path, target: Path) -> None:
    """Copy a module; later kernels have them compressed."""
    content = source.read_bytes()
    target.write_bytes(lzma.decompress(content) if source.suffix == ".xz" else content)


def _compile(sources: Sources, root: Path, *folders: str) -> None:
    """Compile Python files for dom0's Python, which would take seconds in the emulator each time."""
    words = [*foreign_libc.python(sources.python, sources.suite), "-s", "-m", "compileall", "-qq"]
    words += ["--invalidation-mode", "unchecked-hash", "-s", os.fspath(root), "-p", "/"]
    words += [os.fspath(root / folder) for folder in folders]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):  # 1: templates, and tests of broken syntax, do not compile and are left
        raise FetchError(f"{sources.python} cannot compile dom0's files: {done.stderr.strip()}")


def _rewrite(sources: Sources, root: Path, folder: str) -> None:
    """Compile the tests as dom0's pytest would."""
    pytest = [os.fspath(path) for package in sources.user_space for path in package.glob(_DIST_PACKAGES)]
    script = os.fspath(Path(__file__).with_name("compiled_tests.py"))
    words = [
        *foreign_libc.python(sources.python, sources.suite),
        script,
        os.fspath(root / folder),
        f"/{folder}",
    ]
    words += pytest
    # if pytest's internals have changed, dom0 compiles the tests itself
    subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def archive(root: Path, target: Path) -> None:
    """Write a folder as an archive for the kernel: cpio's newc format, everything owned by root."""
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
