# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of guests that power off, reboot or crash, on a real Xen, with the process that `create` leaves."""

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.dom0.bad_guests import ARCHITECTURE, image_of
from testbed.dom0.commands import coldline, good

pytestmark = pytest.mark.one_xen

LOG = Path("/var/log/xen/coldline-ending.log")
DUMP = Path("/var/lib/xen/dump/ending")
WITHIN_S = 90
"""Seconds by the wall clock, on a busy machine."""


def listed() -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads(good("list", "--json")) if each["domid"]}


def keepers() -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"create" in words and any(word.endswith(b"coldline") for word in words):
            found.append(folder.name)
    return found


def comes(true: Callable[[], object]) -> bool:
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.5)
    return False


def ended() -> bool:
    """End all keepers, which would build guests again faster than they can be destroyed, and destroy all guests."""
    for process in keepers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGTERM)
    for known in json.loads(good("list", "--json")):
        if known["domid"]:
            coldline("destroy", str(known["domid"]))
    return not keepers() and not listed()


@pytest.fixture
def guest(driver: None, tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """A function that returns the command which creates a guest that ends as a program does, with settings."""

    def command(program: str, *settings: str) -> list[str]:
        image, file = tmp_path / "image", tmp_path / "ending.cfg"
        image.write_bytes(image_of(program, ARCHITECTURE))
        file.write_text(
            "\n".join((f'kernel = "{image}"', 'name = "ending"', "memory = 16", *settings)) + "\n"
        )
        return ["create", str(file), "--strategy", "uncached-hypercall"]

    LOG.unlink(missing_ok=True)
    DUMP.unlink(missing_ok=True)
    yield command
    assert comes(ended), "a keeper or a guest stays"


@pytest.mark.parametrize(
    ("program", "key"),
    [("off", "on_poweroff"), ("reset", "on_reboot"), ("crash", "on_crash"), ("watchdog", "on_watchdog")],
)
def test_destroyed(guest: Callable[..., list[str]], program: str, key: str) -> None:
    good(*guest(program, f'{key} = "destroy"'))
    assert comes(lambda: not listed() and not keepers()), LOG.read_text()
    assert LOG.read_text().rstrip().endswith(f"({key.removeprefix('on_')}): destroy")


def test_restarted_under_a_new_number(guest: Callable[..., list[str]]) -> None:
    good(*guest("reset"))
    assert comes(lambda: LOG.read_text().count("(reboot): restart") >= 2), LOG.read_text()
    numbers = re.findall(r"domain (\d+): waiting", LOG.read_text())
    assert len(set(numbers)) == len(numbers) >= 2


def test_preserved(guest: Callable[..., list[str]]) -> None:
    good(*guest("off", 'on_poweroff = "preserve"'))
    assert comes(lambda: not keepers())
    assert (listed()["ending"]["state"], listed()["ending"]["shutdown"]) == ("shutdown", "poweroff")


def test_renamed_and_restarted(guest: Callable[..., list[str]]) -> None:
    good(*guest("crash", 'on_crash = "rename-restart"'))
    assert comes(lambda: "stays as" in LOG.read_text()), LOG.read_text()
    (stays,) = re.findall(r"stays as (ending-\d{8}T\d{4}Z)", LOG.read_text())[:1]
    assert comes(lambda: stays in listed()), LOG.read_text()
    assert listed()[stays]["shutdown"] == "crash"


def test_a_core_is_dumped(guest: Callable[..., list[str]]) -> None:
    good(*guest("crash", 'on_crash = "coredump-destroy"'))
    assert comes(lambda: not listed() and not keepers()), LOG.read_text()
    assert DUMP.read_bytes()[:4] == b"\x7fELF", LOG.read_text()


def test_in_the_foreground(guest: Callable[..., list[str]]) -> None:
    done = coldline(*guest("off"), "-F")
    assert (done.returncode, done.stdout) == (0, "")
    assert [re.sub(r"domain \d+", "domain N", line) for line in done.stderr.splitlines()] == [
        "coldline: domain N: waiting for its end",
        "coldline: domain N: shut down (poweroff): destroy",
    ]
    assert not listed()


def test_without_a_keeper(guest: Callable[..., list[str]]) -> None:
    good(*guest("off"), "-e")
    assert not keepers()
    assert comes(lambda: listed()["ending"]["state"] == "shutdown")
