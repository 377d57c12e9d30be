# SPDX-License-Identifier: GPL-2.0-or-later
"""Which Debian packages the testbed is made of, per architecture."""

from dataclasses import dataclass
from pathlib import Path

from testbed import debian

__all__ = ["ARCHITECTURES", "BACKPORTS", "Sources", "sources"]

ARCHITECTURES = ("arm64", "armhf")
"""The architectures that a testbed can be made for, by Debian's names."""

BACKPORTS = "bookworm-backports"
"""The suite that has a later kernel."""

_KERNEL_FLAVOURS = {"arm64": "arm64", "armhf": "armmp-lpae"}
# What dom0 runs on: Python, the tests' framework, and the libraries that those and Xen's need.
_USER_SPACE = (
    "busybox-static", "libc6", "libgcc-s1", "libexpat1", "libffi8", "libssl3", "zlib1g", "libuuid1",
    "libbz2-1.0", "liblzma5", "libcom-err2", "libblkid1", "libext2fs2", "libfdt1", "libncurses6",
    "libtinfo6", "liblzo2-2", "libyajl2", "libzstd1", "python3.11-minimal", "libpython3.11-minimal",
    "libpython3.11-stdlib", "python3-libfdt", "python3-pytest", "python3-pluggy", "python3-iniconfig",
    "python3-packaging", "python3-attr",
)  # fmt: skip
_XEN_LIBRARIES = (
    "libxencall1", "libxenforeignmemory1", "libxenstore4", "libxenevtchn1", "libxengnttab1",
    "libxentoolcore1", "libxentoollog1", "libxendevicemodel1", "libxenhypfs1",
)  # fmt: skip


@dataclass(frozen=True)
class Sources:
    """Unpacked packages.

    Attributes
    ----------
    architecture : str
        Debian's name of it.
    release : str
        The kernel's release, such as ``6.1.0-52-arm64``.
    xen : Path
        Xen itself, as QEMU loads it.
    kernel : Path
        dom0's kernel, as QEMU loads it.
    modules : Path
        The folder of that kernel's modules.
    headers, common_headers, kbuild : Path
        The folders of what modules are built with: the kernel's headers for this architecture and for all,
        and the programs of the build, which run on this host.
    user_space : tuple of Path
        The packages that dom0's file system is made of.
    """

    architecture: str
    release: str
    xen: Path
    kernel: Path
    modules: Path
    headers: Path
    common_headers: Path
    kbuild: Path
    user_space: tuple[Path, ...]


def sources(architecture: str, *, suite: str | None = None, refresh: bool = False) -> Sources:
    """Return the packages of an architecture, fetching what is not here yet.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    suite : str, optional
        Debian's suite to take the kernel from, such as `BACKPORTS`, in place of the one that all else is from.
    refresh : bool
        Ask the package servers for newer ones.

    Raises
    ------
    testbed.debian.FetchError
        If one cannot be had.
    """
    flavour = _KERNEL_FLAVOURS[architecture]
    image = debian.current(
        architecture,
        f"linux-image-{flavour}",
        rf"linux-image-\d\S*-{flavour}",
        suite=suite,
        refresh=refresh,
    )
    hypervisor = debian.current(
        architecture, f"xen-system-{architecture}", rf"xen-hypervisor-\d\S*-{architecture}", refresh=refresh
    )
    release = image.removeprefix("linux-image-")
    version = hypervisor.split("-")[2]
    headers = f"linux-headers-{release}"
    common = f"{headers.removesuffix(flavour)}common"
    kbuild = debian.current(architecture, headers, r"linux-kbuild-\S+", suite=suite, refresh=refresh)
    user_space = [*_USER_SPACE, *_XEN_LIBRARIES, f"xen-utils-{version}", f"libxenmisc{version}"]
    target = debian.packages(architecture, [hypervisor, *user_space], refresh=refresh)
    target |= debian.packages(architecture, [image, headers, common], suite=suite, refresh=refresh)
    host = debian.packages(debian.host_architecture(), [kbuild], suite=suite, refresh=refresh)
    return Sources(
        architecture=architecture,
        release=release,
        xen=target[hypervisor] / "boot" / f"xen-{version}-{architecture}",
        kernel=target[image] / "boot" / f"vmlinuz-{release}",
        modules=target[image] / "lib" / "modules" / release,
        headers=target[headers] / "usr" / "src" / headers,
        common_headers=target[common] / "usr" / "src" / common,
        kbuild=host[kbuild] / "usr" / "lib" / kbuild,
        user_space=tuple(target[name] for name in user_space),
    )
