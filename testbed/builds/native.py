# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds coldline's kernel module in dom0 itself, with Debian's compiler and headers."""

import shutil
import tempfile
from pathlib import Path

from testbed.builds import modules
from testbed.builds.modules import DRIVER, MODULE, BuildError
from testbed.machines import image, machine
from testbed.packages import debian
from testbed.packages.cache import cache_folder
from testbed.packages.sources import Sources

__all__ = ["build"]

_TIMEOUT_S = 3600.0

# These are not needed for a module in C, and unpacked files take memory.
_LEFT_OUT = ("lto1", "*lto-dump*", "lto-wrapper", "lib?san.so*", "libhwasan.so*", "*.a")

# Follows docs/reference/driver.md in dom0, and then runs the driver's tests with the resulting module.
_SCRIPT = f"""\
mount -o remount,size=90% / && cd / && cpio -idmu </host/native.cpio || exit 1
cd /opt/coldline
[ -e /bin/sh ] || ln -s /usr/bin/busybox /bin/sh
export PATH=/usr/bin:$PATH
gcc=$(echo /usr/bin/gcc-[0-9]*)
[ -e /usr/bin/gcc ] || ln -s "$gcc" /usr/bin/gcc
"$gcc" --version | head -n 1
began=$(date +%s)
make -C /usr/src/coldline || exit 1
echo "built in $(($(date +%s) - began)) s of the machine's clock"
cp /usr/src/coldline/{MODULE} /host
insmod /usr/src/coldline/{MODULE} || exit 1
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
exec python3 -m pytest -p no:cacheprovider -p no:faulthandler -q --tb=short -k test_driver testbed/dom0
"""


def build(sources: Sources, *, suite: str | None = None, refresh: bool = False) -> tuple[Path | None, str]:
    """Build the module in dom0 and test it there.

    Parameters
    ----------
    sources : Sources
        The packages of dom0, and of the kernel that it is for.
    suite : str, optional
        Debian's suite that the kernel is from.
    refresh : bool
        Ask the package servers for a newer compiler.

    Returns
    -------
    Path or None
        The module; None if the build failed or warned, or a test failed.
    str
        The output in dom0.

    Raises
    ------
    BuildError
        If the suite has no compiler.
    testbed.machines.qemu_command.MachineError
        If dom0 needs more than an hour.
    testbed.packages.apt.FetchError
        If a package cannot be fetched.
    """
    if suite != sources.suite:
        raise BuildError(f"{suite} has a kernel but no compiler: --native needs a complete release")
    target = cache_folder() / sources.architecture / "driver" / sources.release / f"native-{MODULE}"
    with tempfile.TemporaryDirectory(prefix="coldline-native-", dir=cache_folder()) as temporary:
        folder = Path(temporary)
        image.fill(sources, modules.build(sources), folder)
        _archive(sources, folder, suite=suite, refresh=refresh)
        outcome = machine.run(sources, image.initrd(sources), folder, _SCRIPT, timeout_s=_TIMEOUT_S)
        said = (folder / "output").read_text(errors="replace")
        if outcome.status or "warning:" in said:
            return None, said
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / MODULE, target)
    return target, said


def _archive(sources: Sources, folder: Path, *, suite: str | None, refresh: bool) -> None:
    """Combine the kernel's headers, make and the driver's source, as an installation would."""
    wanted = [sources.headers.name, "make"]
    kernel = f"linux-image-{sources.release}"
    names = debian.dependencies(sources.architecture, wanted, there=[kernel], suite=suite, refresh=refresh)
    trees = debian.packages(sources.architecture, names, suite=suite, refresh=refresh)
    root = folder / "root"
    source = root / "usr/src/coldline"
    source.mkdir(parents=True)
    for path in DRIVER.iterdir():
        if path.suffix in (".c", ".h") or path.name in ("Kbuild", "Makefile"):
            shutil.copy(path, source)
    for tree in sorted(set(trees.values()) - set(sources.user_space)):
        image.merge(tree, root)
    for pattern in _LEFT_OUT:
        for path in root.rglob(pattern):
            path.unlink()
    image.archive(root, folder / "native.cpio")
    shutil.rmtree(root)
