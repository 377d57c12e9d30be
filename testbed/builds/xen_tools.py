# SPDX-License-Identifier: GPL-2.0-or-later
"""Cross-builds xl and Xen's libraries from Xen's source."""

import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from testbed.builds.building import run_build
from testbed.builds.modules import CROSS_PREFIXES, BuildError
from testbed.machines import image
from testbed.packages import apt, debian
from testbed.packages.sources import Sources

__all__ = ["LIBRARIES", "build"]

LIBRARIES = (
    "toolcore", "toollog", "evtchn", "gnttab", "call", "foreignmemory", "devicemodel", "ctrl", "guest", "hypfs",
    "store", "light", "util",
)  # fmt: skip
"""The folders of ``tools/libs`` that are built: those that xl needs, each after the ones that it needs."""

_XEN_ARCHITECTURES = {"arm64": "arm64", "armhf": "arm32"}
_DEVELOPMENT = (
    "libc6", "libc6-dev", "linux-libc-dev", "libgcc-s1", "libyajl2", "libyajl-dev", "libuuid1", "uuid-dev", "zlib1g",
    "zlib1g-dev", "libncurses6", "libtinfo6", "libncurses-dev", "libfdt1", "libfdt-dev",
)  # fmt: skip
_PATHS = ("--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var")
_TOOLS = (
    "--disable-ocamltools", "--disable-golang", "--disable-xsmpolicy", "--disable-rombios", "--disable-seabios",
    "--disable-ovmf", "--disable-ipxe", "--disable-systemd", "--disable-pvshim", "--disable-qemu-traditional",
    "--with-system-qemu=/usr/libexec/xen-qemu-system-i386",  # as in Debian's packages
)  # fmt: skip
_ALL = ("--disable-xen", "--disable-tools", "--disable-docs", "--disable-stubdom")


def build(sources: Sources, source: Path, target: Path) -> None:
    """Build xl and the libraries of a source tree, into the folders ``bin`` and ``lib`` of a new folder.

    Parameters
    ----------
    sources : Sources
        The packages of the dom0 that they are for.
    source : Path
        Xen's source, which is changed by the build.
    target : Path
        The folder to make.

    Raises
    ------
    BuildError
        If a compiler is not installed, or the build fails.
    testbed.packages.apt.FetchError
        If a package cannot be fetched.
    """
    prefix = CROSS_PREFIXES[sources.architecture]
    if shutil.which(f"{prefix}gcc") is None:
        raise BuildError(f"{prefix}gcc is not installed: scripts/setup --testbed installs it")
    with tempfile.TemporaryDirectory(prefix="coldline-sysroot-") as temporary:
        root = Path(temporary)
        _fill_root(sources, root)
        compiler = f"{prefix}gcc --sysroot={shlex.quote(temporary)}"
        environment = _environment(root, prefix)
        for folder, words in ((source / "tools", _TOOLS), (source, _ALL)):
            host = prefix.removesuffix("-")
            configure = ["./configure", f"--host={host}", *_PATHS, *words]
            run_build(configure, folder, {**environment, "CC": compiler})
        make = [
            "make", f"-j{os.cpu_count() or 1}", f"XEN_TARGET_ARCH={_XEN_ARCHITECTURES[sources.architecture]}",
            f"CROSS_COMPILE={prefix}", f"CC={compiler}", f"PYTHON={sys.executable}", "debug=n",
        ]  # fmt: skip
        folders = [f"libs/{name}" for name in LIBRARIES]
        for name in ("include", *folders):
            run_build([*make, "-C", f"tools/{name}"], source, environment)
        run_build([*make, "-C", "tools/xl", "xl"], source, environment)
    _collect(source / "tools", [source / "tools" / name for name in folders], target)


def _fill_root(sources: Sources, root: Path) -> None:
    """Combine the packages with the headers and libraries of dom0, as an installation would."""
    trees = debian.packages(sources.architecture, _DEVELOPMENT, suite=sources.suite)
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for tree in trees.values():
        image.merge(tree, root, left_out=())


def _environment(root: Path, prefix: str) -> dict[str, str]:
    # the compiler of ACPI tables, which libxl has for arm64
    programs = debian.packages(apt.host_architecture(), ["acpica-tools"])["acpica-tools"] / "usr/bin"
    library = root / "usr/lib" / prefix.removesuffix("-") / "pkgconfig"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "LC_ALL": "C.UTF-8",
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PKG_CONFIG_LIBDIR": f"{library}:{root / 'usr/share/pkgconfig'}",
        "PKG_CONFIG_SYSROOT_DIR": os.fspath(root),
    }


def _collect(tools: Path, folders: list[Path], target: Path) -> None:
    scratch = target.with_suffix(f".{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "lib").mkdir(parents=True)
    (scratch / "bin").mkdir()
    for folder in folders:
        for library in folder.glob("lib*.so.*"):
            shutil.copy(library, scratch / "lib", follow_symlinks=False)
    shutil.copy(tools / "xl" / "xl", scratch / "bin")
    scratch.replace(target)
