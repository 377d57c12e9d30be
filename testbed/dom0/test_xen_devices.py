# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with a disk and a network interface, of xl and of coldline: they use them, and have the same entries."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.dom0.commands import coldline, good, xl
from testbed.dom0.domains import Xen

GUEST = Path("/host/guest")
LOGS = Path("/var/log/xen/console")
FIRST_LINE = "the first line of a disk"
SECTOR = 512
WITHIN_S = 300
"""Seconds by the wall clock: emulated Xen gets as little of a busy machine as it gives."""

CHANGING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"(physical-device\S* = )\S+|(node = )\S+", r"\1\2LOOP"),
    (r"(ring-ref|event-channel)(\S*) = \S+", r"\1\2 = N"),
)
"""What differs between any two guests, besides number, name, disk and address."""


def comes(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.2)
    return False


class Guest:
    """A configuration of a Linux guest that reads and writes its disk, and asks dom0 for an answer."""

    def __init__(self, folder: Path, name: str, host: int, *more: str, access: str = "w") -> None:
        self.name = name
        self.disk = folder / f"{name}.img"
        self.mac = f"00:16:3e:01:02:{host:02x}"
        self.disk.write_bytes(f"{FIRST_LINE}\n".encode().ljust(1 << 20, b"\0"))
        self.file = folder / f"{name}.cfg"
        lines = (
            f'name = "{name}"',
            "memory = 64",
            f'kernel = "{GUEST}/kernel"',
            f'ramdisk = "{GUEST}/initrd"',
            f'extra = "console=hvc0 loglevel=4 rdinit=/init disks=xvda address=10.0.0.{host}"',
            f'disk = ["{self.disk},raw,xvda,{access}"]',
            f'vif = ["mac={self.mac}"]',
            *more,
        )
        self.file.write_text("\n".join(lines) + "\n")

    @property
    def log(self) -> str:
        path = LOGS / f"guest-{self.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def says(self, text: str, times: int = 1) -> bool:
        return comes(lambda: self.log.count(text) >= times)

    @property
    def works(self) -> bool:
        wanted = (
            f"guest: xvda of 2048 sectors reads: {FIRST_LINE}",
            "guest: xvda is written",
            f"guest: eth0 is {self.mac}",
            "guest: dom0 answers",
        )
        return self.says(wanted[-1]) and all(line in self.log for line in wanted)

    def entries(self) -> list[str]:
        """All entries of its devices, with their permissions, without what differs between any two guests."""
        number = xl("domid", self.name).strip()
        text = subprocess.run(["xenstore-ls", "-fp"], capture_output=True, text=True, check=True).stdout
        lines = [line for line in text.splitlines() if re.search(rf"/(vbd|vif)(/{number}/|/\d+/|$)", line)]
        mine = [
            line for line in lines if re.match(rf"/(local/domain|libxl)/{number}/|.*/v../{number}/", line)
        ]
        return [self.general(line, number) for line in mine]

    def general(self, text: str, number: str) -> str:
        for own, word in ((str(self.disk), "DISK"), (self.mac, "MAC"), (self.name, "NAME")):
            text = text.replace(own, word)
        text = re.sub(
            rf'(?:(?<=/local/domain/)|(?<=/libxl/)|(?<=/v../)|(?<=frontend-id = ")|(?<=[(,][nr])){number}\b',
            "ID",
            text,
        )
        for pattern, word in CHANGING:
            text = re.sub(pattern, word, text)
        return text


def loops() -> str:
    return subprocess.run(["/sbin/losetup", "-a"], capture_output=True, text=True, check=True).stdout


def backends(xen: Xen) -> list[str]:
    return [kind for kind in xen.bindings.store.list("/local/domain/0/backend") if kind in ("vbd", "vif")]


def rows_of(command: str, guest: Guest, number: str) -> list[list[str]]:
    """The table that a command of xl prints, without the third column: the guest's number, or the address."""
    lines = xl(command, guest.name).splitlines()[1:]
    columns = [guest.general(line, number).split() for line in lines]
    return [each[:2] + each[3:] for each in columns]


@pytest.fixture
def guest(xen: Xen, tmp_path: Path) -> Iterator[Callable[..., Guest]]:
    """A function that makes a guest's configuration; in the end nothing of the guests is left."""
    made: list[Guest] = []

    def make(name: str, *more: str, access: str = "w") -> Guest:
        made.append(Guest(tmp_path, name, 10 + len(made), *more, access=access))
        (LOGS / f"guest-{name}.log").unlink(missing_ok=True)
        return made[-1]

    yield make
    for each in made:
        coldline("destroy", each.name)
    assert (loops(), backends(xen)) == ("", [])


def test_a_guest_has_what_xl_gives(xen: Xen, guest: Callable[..., Guest]) -> None:
    theirs, ours = guest("theirs"), guest("ourown")
    xl("create", "-q", str(theirs.file))
    good("create", str(ours.file))
    assert theirs.works, theirs.log
    assert ours.works, ours.log
    assert sorted(ours.entries()) == sorted(theirs.entries())
    numbers = [xl("domid", each.name).strip() for each in (theirs, ours)]
    for command in ("block-list", "network-list"):
        rows = [rows_of(command, each, number) for each, number in zip((theirs, ours), numbers, strict=True)]
        assert rows[0] == rows[1]
        assert len(rows[0]) == 1
    known = [
        json.loads(each.general(xl("list", "-l", each.name), number))[0]["config"]
        for each, number in zip((theirs, ours), numbers, strict=True)
    ]
    for name in ("disks", "nics"):
        assert known[0][name] == known[1][name]
    good("destroy", "ourown")
    assert ours.disk.read_bytes()[SECTOR:].startswith(b"written by the guest\n")
    good("destroy", "theirs")
    assert (loops(), backends(xen)) == ("", [])


def test_a_disk_that_may_only_be_read(guest: Callable[..., Guest]) -> None:
    reads = guest("reads", access="r")
    good("create", str(reads.file), "vif=[]")
    assert reads.says("guest: xvda cannot be written"), reads.log
    assert f"reads: {FIRST_LINE}" in reads.log
    good("destroy", "reads")
    assert not any(reads.disk.read_bytes()[SECTOR:])


def test_a_guest_that_reboots_has_its_devices_again(guest: Callable[..., Guest]) -> None:
    again = guest("again")
    good("create", str(again.file))
    assert again.works, again.log
    xl("reboot", "again")
    assert again.says("guest: dom0 answers", 2), again.log
    assert "reads: the first line" in again.log.rpartition("user space")[2]
    assert loops().count("\n") == 1
    xl("shutdown", "-w", "again")
    assert comes(lambda: "again" not in xl("list"))


def test_a_disk_in_use(xen: Xen, guest: Callable[..., Guest]) -> None:
    """A block device, which `block` looks for in other guests: nothing is left of the second one."""
    first, second = guest("first"), guest("second")
    device = "/dev/loop7"
    subprocess.run(["/sbin/losetup", device, first.disk], check=True)
    try:
        settings = (f'disk=["phy:{device},xvda,w"]', "vif=[]")
        good("create", str(first.file), "--paused", *settings)
        before = xl("list").count("\n")
        refused = coldline("create", str(second.file), *settings)
        assert refused.returncode == 2
        assert re.fullmatch(
            rf"coldline: domain \d+: disk xvda: /etc/xen/scripts/block: Device {device} is mounted .*\n",
            refused.stderr,
        )
        assert xl("list").count("\n") == before
        assert xen.bindings.store.list("/local/domain/0/backend/vbd") == [xl("domid", "first").strip()]
        good("destroy", "first")
    finally:
        subprocess.run(["/sbin/losetup", "-d", device], check=True)


def test_a_bridge_that_is_not_there(xen: Xen, guest: Callable[..., Guest]) -> None:
    refused = coldline("create", str(guest("alone").file), 'vif=["bridge=nobr"]')
    assert refused.returncode == 2
    assert refused.stderr.endswith(
        "network interface 0: /etc/xen/scripts/vif-bridge: Could not find bridge device nobr\n"
    )
    assert (loops(), backends(xen)) == ("", [])


def test_devices_that_xl_adds_go_with_the_guest(xen: Xen, guest: Callable[..., Guest]) -> None:
    more = guest("more")
    good("create", str(more.file), "--paused", "disk=[]", "vif=[]")
    xl("block-attach", "more", f"{more.disk},raw,xvdb,w")
    xl("network-attach", "more", f"mac={more.mac}")
    assert sorted(backends(xen)) == ["vbd", "vif"]
    good("destroy", "more")
    assert (loops(), backends(xen)) == ("", [])
