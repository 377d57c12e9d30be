# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages of the testbed, by architecture and suite."""

from dataclasses import dataclass
from pathlib import Path

from testbed.packages import apt, debian, kernels

__all__ = ["ARCHITECTURES", "BACKPORTS", "Sources", "sources"]

ARCHITECTURES = ("arm64", "armhf")
"""The architectures of the testbed, by Debian's names."""

BACKPORTS = "bookworm-backports"
"""A suite with a later kernel and without Xen."""

_KERNEL_FLAVOURS = {"arm64": "arm64", "armhf": "armmp-lpae"}
# dom0's packages in addition to Python: the test framework, and the libraries that it and Xen's libraries need. Some
# have two names: Debian 13 renamed libraries for 64-bit times, on all architectures.
_USER_SPACE = (
    "busybox-static", "libc6", "libgcc-s1", "libexpat1", "libffi8", "libssl3t64 | libssl3", "zlib1g", "libuuid1",
    "libbz2-1.0", "liblzma5", "libcom-err2", "libblkid1", "libext2fs2t64 | libext2fs2", "libfdt1", "libncurses6",
    "libtinfo6", "liblzo2-2", "libyajl2", "libzstd1", "python3-libfdt", "python3-pytest", "python3-pluggy",
    "python3-iniconfig", "python3-packaging", "python3-attr",
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
    suite : str or None
        Debian's suite of all packages but the kernel's; None for the apt sources' suites.
    release : str
        The kernel's release, such as ``6.1.0-52-arm64``.
    xen_version : str
        Xen's, such as ``4.17``.
    python : str
        dom0's Python, such as ``python3.11``.
    xen : Path
        Xen itself, as QEMU loads it.
    kernel : Path
        dom0's kernel, as QEMU loads it.
    modules : Path
        The folder of that kernel's modules.
    headers, common_headers, kbuild : Path
        The folders for building modules: the kernel's headers for this architecture and for all, and the build's
        programs, which run on this host.
    user_space : tuple of Path
        The packages of dom0's file system.
    """

    architecture: str
    suite: str | None
    release: str
    xen_version: str
    python: str
    xen: Path
    kernel: Path
    modules: Path
    headers: Path
    common_headers: Path
    kbuild: Path
    user_space: tuple[Path, ...]


def sources(architecture: str, *, suite: str | None = None, refresh: bool = False) -> Sources:
    """Return the packages of an architecture; missing ones are fetched.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    suite : str, optional
        Debian's suite to take all packages from, such as ``trixie``; by default those of the apt sources. A suite of
        backports, such as `BACKPORTS`, gives only the kernel.
    refresh : bool
        Ask the package servers for newer ones.

    Raises
    ------
    testbed.packages.debian.MissingError
        If the suite has no Xen for that architecture: Debian 13 and later have none for armhf.
    testbed.packages.apt.FetchError
        If a package cannot be fetched.
    """
    whole = None if suite and suite.endswith("-backports") else suite
    flavour = _KERNEL_FLAVOURS[architecture]
    hypervisor = debian.current(
        architecture,
        f"xen-system-{architecture}",
        rf"xen-hypervisor-\d\S*-{architecture}",
        suite=whole,
        refresh=refresh,
    )
    kernel = debian.current_kernel(architecture, flavour, suite=suite, refresh=refresh)
    minimal = debian.current(
        architecture, "python3-minimal", r"python3\.\d+-minimal", suite=whole, refresh=refresh
    )
    release = kernels.release_of(kernel.image)
    version = hypervisor.split("-")[2]
    python = minimal.removesuffix("-minimal")
    headers = f"linux-headers-{release}"
    common = f"{headers.removesuffix(flavour)}common"
    kbuild = debian.current(architecture, headers, r"linux-kbuild-\S+", suite=suite, refresh=refresh)
    user_space = [
        *_USER_SPACE, minimal, f"lib{minimal}", f"lib{python}-stdlib",
        *_XEN_LIBRARIES, f"xen-utils-{version}", f"libxenmisc{version}",
    ]  # fmt: skip
    target = debian.packages(architecture, [hypervisor, *user_space], suite=whole, refresh=refresh)
    target |= debian.packages(
        architecture, [kernel.binary, kernel.modules, headers, common], suite=suite, refresh=refresh
    )
    host = debian.packages(apt.host_architecture(), [kbuild], suite=suite, refresh=refresh)
    return Sources(
        architecture=architecture,
        suite=whole,
        release=release,
        xen_version=version,
        python=python,
        xen=target[hypervisor] / "boot" / f"xen-{version}-{architecture}",
        kernel=kernels.kernel_file(target[kernel.binary], release),
        modules=_modules(target[kernel.modules], release),
        headers=target[headers] / "usr" / "src" / headers,
        common_headers=target[common] / "usr" / "src" / common,
        kbuild=host[kbuild] / "usr" / "lib" / kbuild,
        user_space=tuple(target[name] for name in user_space),
    )


def _modules(package: Path, release: str) -> Path:
    """Return the folder of a kernel's modules, which some packages have under /usr."""
    merged = package / "usr" / "lib" / "modules" / release
    return merged if merged.is_dir() else package / "lib" / "modules" / release
