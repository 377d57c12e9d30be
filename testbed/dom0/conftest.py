# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures for the tests that run in dom0."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.dom0 import domains, driver_device

# the kernel's messages of a warning, a fault or a lockup, and the driver's message of a page that it cannot free
COMPLAINT = re.compile(r"cut here|BUG|Oops|Unable to handle|Bad page|pages lost|blocked for more than")
MODULE = Path("/opt/coldline/xen-coldline.ko")
# scripts/testbed test --rfc-v2 runs these
collect_ignore = [] if Path("/opt/rfc-v2").exists() else ["test_rfc_v2.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "one_xen: takes long, hardly differs by release and architecture; left out with --brief"
    )
    config.addinivalue_line("markers", "long: takes longest; runs with --long")


@pytest.fixture(scope="session", autouse=True)
def driver() -> Iterator[None]:
    """The driver's module, loaded; that it can be unloaded at the end is a test, too."""
    if not Path(driver_device.DRIVER_PATH).exists():
        subprocess.run(["insmod", MODULE], check=True)
    yield
    subprocess.run(["rmmod", "xen_coldline"], check=True)
    log = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in log.splitlines() if COMPLAINT.search(line)], log


@pytest.fixture(scope="session")
def xen(driver: None) -> Iterator[domains.Xen]:
    """Xen."""
    xen = domains.Xen()
    yield xen
    xen.close()


@pytest.fixture
def opened(driver: None) -> Iterator[driver_device.Device]:
    """The device, open."""
    opened = driver_device.Device()
    yield opened
    opened.close()


@pytest.fixture
def domain(xen: domains.Xen) -> Iterator[domains.Domain]:
    """A domain with 64 frames. At the end it must be gone; any mapping of a frame would keep it dying."""
    domain = xen.create(64)
    yield domain
    domain.destroy()
    assert domain.gone(), f"domain {domain.number} is left dying: one of its frames is still mapped"


@pytest.fixture
def in_child() -> Callable[[Callable[[], None]], int]:
    """A function that runs another one in a separate process, and returns that process's exit code.

    It is the result of `os.waitstatus_to_exitcode`: the exit status, or minus the signal's number.
    """

    def run(body: Callable[[], None]) -> int:
        child = os.fork()
        if child == 0:
            try:
                body()
            except OSError as error:
                os._exit(error.errno or 255)
            except BaseException:
                os._exit(254)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return run
