# SPDX-License-Identifier: GPL-2.0-or-later
"""`coldline xl create` writes a guest through uncached mappings only, and the guest reaches its user space."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.dom0 import driver_device
from testbed.dom0.commands import xl

GUEST = Path("/host/guest")
CONSOLE = Path("/var/log/xen/console/guest-preloaded.log")
WITHIN_S = 300
LINE = re.compile(r"domain (\d+) frame (0x[0-9a-f]+) count (\d+) attr (0x[0-9a-f]+)")


@pytest.fixture
def config(driver: None, tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "preloaded.cfg"
    file.write_text(
        f'name = "preloaded"\nmemory = 128\nvcpus = 1\nkernel = "{GUEST}/kernel"\nramdisk = "{GUEST}/initrd"\n'
        'extra = "console=hvc0 loglevel=4 rdinit=/init"\n'
    )
    CONSOLE.unlink(missing_ok=True)
    yield file
    subprocess.run(["xl", "destroy", "preloaded"], capture_output=True, check=False)


def create(config: Path, log: Path) -> "subprocess.CompletedProcess[str]":
    words = ["coldline", "xl", "create", "-q", str(config)]
    environment = {**os.environ, "COLDLINE_MAP_LOG": str(log)}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


def test_xl_writes_past_the_caches(config: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = create(config, log)
    assert (done.returncode, done.stderr) == (0, "")
    domid = int(xl("domid", "preloaded"))
    found = [LINE.fullmatch(line) for line in log.read_text().splitlines()]
    assert found
    assert all(found), log.read_text()
    mapped = [(int(line[1]), int(line[2], 16), int(line[3]), int(line[4], 16)) for line in found if line]
    assert {(each[0], each[3]) for each in mapped} == {(domid, driver_device.ATTR_NORMAL_NC)}
    pages = sum(each[2] for each in mapped)
    assert (
        pages * driver_device.PAGE_SIZE
        >= (GUEST / "kernel").stat().st_size + (GUEST / "initrd").stat().st_size
    )
    assert not [each for each in mapped if 0x39000 <= each[1] < 0x3A000], "rings are cached, by Xen's ABI"
    end = time.monotonic() + WITHIN_S
    while not (CONSOLE.exists() and "guest: in user space" in CONSOLE.read_text(errors="replace")):
        assert time.monotonic() < end
        time.sleep(0.5)


def test_without_the_driver_nothing_is_cached(config: Path, tmp_path: Path) -> None:
    aside = Path("/dev/xen/set-aside")
    Path(driver_device.DRIVER_PATH).rename(aside)
    try:
        done = create(config, tmp_path / "log")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("coldline: no /dev/xen/coldline: ")
        preload = {**os.environ, "LD_PRELOAD": "/usr/local/lib/coldline/libcoldline-xl.so"}
        forced = subprocess.run(
            ["xl", "create", "-q", str(config)], capture_output=True, check=False, env=preload
        )
        assert forced.returncode, "xl itself fails, and makes no cached mapping instead"
        assert "preloaded" not in xl("list")
    finally:
        aside.rename(driver_device.DRIVER_PATH)
