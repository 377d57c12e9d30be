# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures that several test folders use."""

import gc
import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from coldline.cli import main, progress
from tests.helpers.command import Cli, Result
from tests.helpers.effort import LONG, skip_long

# A default run tries the same examples each time: it fails because of a change, and not by chance.
settings.register_profile("coldline", derandomize=not LONG)
settings.load_profile("coldline")


# A shell has what runs in its background ignore interrupts; commands that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_long(items)


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Leave what earlier modules keep, such as the explorers' caches, out of later searches for garbage."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def debian_arm64_kernel() -> Path:
    """Debian's current arm64 kernel, an Image of some 33 MB."""
    from testbed.packages.apt import FetchError
    from testbed.packages.kernels import kernel
    from tests.helpers.requirements import require

    try:
        return kernel("arm64")
    except FetchError as error:
        require(False, f"no Debian kernel: {error}")
        raise


@pytest.fixture(scope="session")
def debian_unstable_arm64_kernel() -> Path:
    """The arm64 kernel of Debian unstable."""
    from testbed.packages.apt import FetchError
    from testbed.packages.kernels import kernel
    from tests.helpers.requirements import require

    try:
        return kernel("arm64", suite="unstable")
    except FetchError as error:
        require(False, f"no kernel of Debian unstable: {error}")
        raise


def debian_package(architecture: str, name: str) -> Path:
    """A package of Debian's, unpacked."""
    from testbed.packages import apt, debian
    from tests.helpers.requirements import require

    try:
        return debian.packages(architecture, [name])[name]
    except apt.FetchError as error:
        require(False, f"no {name} of Debian's: {error}")
        raise


@pytest.fixture(scope="session")
def debian_u_boot() -> Path:
    """Debian's U-Boot for QEMU's machines, a folder for each."""
    return debian_package("arm64", "u-boot-qemu") / "usr" / "lib" / "u-boot"


@pytest.fixture(scope="session")
def debian_edk2_arm64() -> Path:
    """Debian's EDK2 for QEMU's arm64 machine."""
    return debian_package("arm64", "qemu-efi-aarch64") / "usr" / "share" / "qemu-efi-aarch64" / "QEMU_EFI.fd"


@pytest.fixture(scope="session")
def debian_edk2_arm32() -> Path:
    """Debian's EDK2 for QEMU's arm32 machine: a whole flash."""
    return debian_package("armhf", "qemu-efi-arm") / "usr" / "share" / "AAVMF" / "AAVMF32_CODE.fd"


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests' own terminal asks for changes no output."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command, in this process. It logs no progress, however slow the machine is."""
    monkeypatch.setattr(progress, "FIRST", math.inf)

    def run(*arguments: object) -> Result:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse's
            status = int(end.code or 0)
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture
def boot(cli: Cli) -> Callable[..., tuple[int, Any]]:
    """``coldline boot --json``: its status and its object."""

    def run(*arguments: object) -> tuple[int, Any]:
        ended = cli("boot", "--json", *arguments)
        assert ended.err == ""
        return ended.status, json.loads(ended.out)

    return run
