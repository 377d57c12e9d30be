# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks and network interfaces of guests on the fake Xen. In dom0 real backends serve them."""

import argparse
import errno
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from coldline.cli.create import create
from coldline.cli.main import parser
from coldline.errors import ColdlineError, HypervisorError, UsageError
from coldline.hypervisor.xen import XenDomain, XenHost
from coldline.hypervisor.xen.bindings.scripts import ScriptRunner
from coldline.hypervisor.xen.devices import attaching, detaching
from coldline.hypervisor.xen.domain_list import DomainList
from coldline.hypervisor.xen.interrupts import interrupts_between_calls
from coldline.samples import sample
from testbed.dom0.failing import Failing
from tests.helpers.fake_xen import FakeXen

STEPS = 8
"""A default run tries each eighth call."""

MAC = "00:16:3e:01:02:03"


class Given:
    """A folder with a disk, a script, and a configuration of a guest that has devices."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk, self.script = folder / "disk.img", folder / "script"
        self.disk.write_bytes(bytes(512))
        self.script.write_text("#!/bin/sh\n")
        self.script.chmod(0o755)

    def guest(self, xen: FakeXen, *settings: str) -> XenDomain:
        return create(self.options(*settings), xen)[0]

    def options(self, *settings: str) -> argparse.Namespace:
        file = self.folder / "guest.cfg"
        lines = ('name = "guest"', f'kernel = "{sample("midway-arm64").image}"', "memory = 8", *settings)
        file.write_text("\n".join(lines) + "\n")
        return parser().parse_args(["create", str(file), "--strategy", "hypercall"])

    def a_disk(self, vdev: str = "xvda", more: str = "") -> str:
        return f'disk = ["vdev={vdev},script={self.script}{more},target={self.disk}"]'

    def an_interface(self, more: str = "") -> str:
        return f'vif = ["mac={MAC},script={self.script}{more}"]'


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(tmp_path)


def below(xen: FakeXen, path: str) -> dict[str, str]:
    entries = xen.store_is.entries
    return {
        name[len(path) + 1 :]: value.decode()
        for name, value in entries.items()
        if name.startswith(f"{path}/")
    }


def left(xen: FakeXen) -> list[str]:
    return [path for path in xen.store_is.entries if path.count("/") > 2 and not path.endswith("/0")]


def test_a_disk_has_the_entries_that_xl_writes(given: Given) -> None:
    """As `xl create` of Xen 4.17 wrote them for such a disk; the state is what the kernel made of it."""
    xen = FakeXen()
    domid = given.guest(xen, given.a_disk()).domid
    backend, frontend = (
        f"/local/domain/0/backend/vbd/{domid}/51712",
        f"/local/domain/{domid}/device/vbd/51712",
    )
    of_backend = {
        "params": str(given.disk),
        "script": str(given.script),
        "frontend-id": str(domid),
        "online": "1",
        "removable": "0",
        "bootable": "1",
        "state": "2",
        "dev": "xvda",
        "type": "phy",
        "mode": "w",
        "device-type": "disk",
        "discard-enable": "1",
        "specification": "xen",
    }
    assert below(xen, backend) == {"frontend": frontend, **of_backend}
    assert below(xen, frontend) == {
        "backend": backend,
        "backend-id": "0",
        "state": "1",
        "virtual-device": "51712",
        "device-type": "disk",
        "trusted": "1",
    }
    copy = {"frontend": frontend, "backend": backend, **of_backend, "state": "1"}
    assert below(xen, f"/libxl/{domid}/device/vbd/51712") == copy
    assert xen.store_is.permissions[frontend] == ((domid, 0), (0, 1))
    assert xen.store_is.permissions[backend] == ((0, 0), (domid, 1))
    environment = {
        "script": str(given.script),
        "XENBUS_TYPE": "vbd",
        "XENBUS_PATH": f"backend/vbd/{domid}/51712",
        "XENBUS_BASE_PATH": "backend",
    }
    assert xen.scripts.ran == [(str(given.script), ("add",), environment)]


def test_a_disk_that_is_only_read(given: Given) -> None:
    xen = FakeXen()
    domid = given.guest(xen, given.a_disk(more=",devtype=cdrom,direct-io-safe,untrusted")).domid
    backend = below(xen, f"/local/domain/0/backend/vbd/{domid}/51712")
    assert {name: backend[name] for name in ("mode", "device-type", "removable", "discard-enable")} == {
        "mode": "r",
        "device-type": "cdrom",
        "removable": "1",
        "discard-enable": "0",
    }
    assert backend["direct-io-safe"] == "1"
    frontend = below(xen, f"/local/domain/{domid}/device/vbd/51712")
    assert (frontend["device-type"], frontend["trusted"]) == ("cdrom", "0")


def test_an_interface_has_the_entries_that_xl_writes(given: Given) -> None:
    xen = FakeXen()
    domid = given.guest(xen, given.an_interface(",ip=10.0.0.2,rate=1MB/s@20ms,mtu=9000,vifname=own")).domid
    backend, frontend = f"/local/domain/0/backend/vif/{domid}/0", f"/local/domain/{domid}/device/vif/0"
    assert below(xen, backend) == {
        "frontend": frontend,
        "frontend-id": str(domid),
        "online": "1",
        "state": "2",
        "script": str(given.script),
        "vifname": "own",
        "mac": MAC,
        "ip": "10.0.0.2",
        "rate": "20000,20000",
        "mtu": "9000",
        "bridge": "xenbr0",
        "handle": "0",
        "type": "vif",
        "hotplug-status": "",
    }
    assert below(xen, frontend) == {
        "backend": backend,
        "backend-id": "0",
        "state": "1",
        "handle": "0",
        "mac": MAC,
        "trusted": "1",
        "mtu": "9000",
    }
    assert xen.store_is.permissions[f"{frontend}/mtu"] == ((0, 0), (domid, 1))
    ((script, words, environment),) = xen.scripts.ran
    assert (script, words) == (str(given.script), ("online", "type_if=vif"))
    assert (environment["vif"], environment["netdev"]) == (f"vif{domid}.0", "")


def test_an_interface_without_an_address_keeps_the_first_one(given: Given) -> None:
    xen = FakeXen()
    options = given.options(f'vif = ["script={given.script}"]')
    addresses = set()
    for _ in range(2):
        domain = create(options, xen)[0]
        options.settings = []
        addresses.add(below(xen, f"/local/domain/0/backend/vif/{domain.domid}/0")["mac"])
        XenHost(xen).destroy(domain)
    assert len(addresses) == 1


def test_destroying_takes_them_away(given: Given) -> None:
    xen = FakeXen()
    domain = given.guest(xen, given.a_disk(), given.an_interface())
    states = []
    run = xen.scripts.run

    def note(script: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
        path = f"/local/domain/0/{environment['XENBUS_PATH']}"
        states.append(
            (words[0], xen.store_is.entries[f"{path}/state"], xen.store_is.entries[f"{path}/online"])
        )
        assert not below(xen, f"/local/domain/{domain.domid}/device/vbd/51712")
        return run(script, words, environment)

    xen.scripts.run = note  # type: ignore[method-assign]
    domains = DomainList(xen)
    domains.destroy(domains.find("guest"))
    assert states == [("remove", b"6", b"0"), ("offline", b"6", b"0")]
    assert left(xen) == []
    assert "/local/domain/0/backend" not in xen.store_is.entries
    assert xen.domains == {}


def test_what_a_script_says_is_the_error(given: Given) -> None:
    xen = FakeXen()

    def refuse(script: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
        if words[0] == "add":
            xen.store_is.write(
                f"/local/domain/0/{environment['XENBUS_PATH']}/hotplug-error", "it is\n mounted"
            )
        return 1

    xen.scripts.run = refuse  # type: ignore[method-assign]
    with pytest.raises(HypervisorError, match=r"^domain 2: disk xvda: .*/script: it is mounted$"):
        given.guest(xen, given.a_disk())
    assert (left(xen), xen.domains) == ([], {})


@pytest.mark.parametrize(
    ("status", "why"),
    [(3, "it failed, with status 3"), (124, "it took longer than 40 s"), (-9, "it was ended by signal 9")],
)
def test_a_script_that_says_nothing(given: Given, status: int, why: str) -> None:
    xen = FakeXen()
    xen.scripts.status = status
    with pytest.raises(HypervisorError, match=rf"^domain 2: network interface 0: .*/script: {why}$"):
        given.guest(xen, given.an_interface())
    assert (left(xen), xen.domains) == ([], {})


def test_a_script_that_cannot_be_run(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when a device is attached nor when it is taken away: as when its interpreter is not there."""
    xen = FakeXen()
    given.script.write_text("#!/none/sh\n")
    monkeypatch.setattr(xen.scripts, "run", ScriptRunner().run)
    with pytest.raises(HypervisorError, match=r"^domain 2: disk xvda: .*/script: No such file or directory$"):
        given.guest(xen, given.a_disk())
    assert (left(xen), xen.domains) == ([], {})


def test_an_interrupt_while_the_last_script_runs(given: Given) -> None:
    """It undoes the build, also if the guest stays paused, so that nothing follows."""
    xen = FakeXen()
    run = xen.scripts.run

    def interrupted(script: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
        if words[0] == "add":
            signal.raise_signal(signal.SIGINT)
        return run(script, words, environment)

    xen.scripts.run = interrupted  # type: ignore[method-assign]
    options = given.options(given.a_disk())
    options.paused = True
    with pytest.raises(KeyboardInterrupt), interrupts_between_calls(xen) as held:
        create(options, held)
    assert (left(xen), xen.domains) == ([], {})


def test_a_script_that_has_gone(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    xen = FakeXen()
    domain = given.guest(xen, given.a_disk())
    monkeypatch.setattr(xen.scripts, "run", ScriptRunner().run)
    given.script.unlink()
    XenHost(xen).destroy(domain)
    assert (left(xen), xen.domains) == ([], {})


def test_an_error_and_another_while_it_is_undone(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    xen = FakeXen()
    xen.scripts.status = 3
    stopped = errno.EIO, "remove a record"

    def remove(domid: int) -> None:
        raise OSError(*stopped)

    monkeypatch.setattr(xen.records, "remove", remove)
    with pytest.raises(
        HypervisorError, match=r"with status 3; then it could not be destroyed: domain 2: remove"
    ):
        given.guest(xen, given.a_disk())


@pytest.mark.parametrize(("kind", "driver"), [("vbd", "xen-blkback"), ("vif", "xen-netback")])
def test_no_backend(given: Given, kind: str, driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attaching, "BACKEND_WAIT_S", 0.05)
    monkeypatch.setattr(detaching, "BACKEND_WAIT_S", 0.05)
    xen = FakeXen()
    xen.store_is.serves -= {kind}
    with pytest.raises(
        HypervisorError, match=rf"dom0's kernel has not taken it in 0\.05 s: is {driver} loaded\?$"
    ):
        given.guest(xen, given.a_disk(), given.an_interface())
    assert (left(xen), xen.domains) == ([], {})


def test_devices_that_xl_attached_go_too(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that QEMU serves, and one of another domain, which is left to it."""
    monkeypatch.setattr(detaching, "_WAIT_FOR_OTHERS_S", 0.05)
    xen = FakeXen()
    domain = given.guest(xen)
    domid, store = domain.domid, xen.store_is
    for number, backend in (
        (51712, f"/local/domain/0/backend/qdisk/{domid}/51712"),
        (51728, "/local/domain/7/x"),
    ):
        store.write(f"/libxl/{domid}/device/vbd/{number}/backend", backend)
        store.write(
            f"/libxl/{domid}/device/vbd/{number}/frontend", f"/local/domain/{domid}/device/vbd/{number}"
        )
        store.write(f"{backend}/state", "4")
    XenHost(xen).destroy(domain)
    assert left(xen) == ["/local/domain/7", "/local/domain/7/x", "/local/domain/7/x/state"]
    assert xen.scripts.ran == []


@pytest.mark.parametrize(
    "step", [0, *(pytest.param(each, marks=pytest.mark.long) for each in range(1, STEPS))]
)
def test_every_call_fails_in_turn(given: Given, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(detaching, "BACKEND_WAIT_S", 0.05)
    options = given.options(given.a_disk(), given.an_interface())
    xen = FakeXen()
    whole = Failing(xen, sys.maxsize)
    XenHost(xen).destroy(create(options, whole)[0])
    first = max(at for at, name in enumerate(whole.made) if name == "store: introduce")
    assert len(whole.made) - first > 50
    for at in range(first + step, len(whole.made) - 1, STEPS):
        for acts, how in ((False, OSError(errno.EIO, "call")), (True, signal.SIGINT)):
            failing = Failing(xen, at, how, acts=acts)
            with (
                pytest.raises((ColdlineError, KeyboardInterrupt)),
                interrupts_between_calls(failing) as held,
            ):
                create(options, held)
            assert (left(xen), xen.domains) == ([], {}), (whole.made[at], at)
            assert xen.store_is.before is None


@pytest.mark.parametrize(
    ("disks", "why"),
    [
        (["/none,,xvda,w"], "disk xvda: /none: No such file or directory"),
        (["/dev/null,,xvda,w"], "disk xvda: /dev/null is neither a block device nor a file"),
        (["DISK,,xvda,script=SCRIPT", "DISK,,51712,script=SCRIPT"], "disk 51712 has the number of disk xvda"),
        (
            ["DISK,,xvda,script=/none/block"],
            "disk xvda: there is no script /none/block: Debian's xen-utils-common",
        ),
        (["DISK,,xvda,script=DISK"], "disk xvda: the script DISK is not an executable file"),
        (["DISK,,xvda,script=/tmp"], "disk xvda: the script /tmp is not an executable file"),
    ],
)
def test_what_dom0_does_not_have(given: Given, disks: list[str], why: str) -> None:
    xen = FakeXen()
    texts = [each.replace("DISK", str(given.disk)).replace("SCRIPT", str(given.script)) for each in disks]
    with pytest.raises(UsageError, match=re.escape(why.replace("DISK", str(given.disk)))):
        given.guest(xen, f"disk = {texts}")
    assert xen.next == 1, "nothing was made"


def test_scripts_run_as_libxl_runs_them(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f'#!/bin/sh\necho "$@ $XENBUS_PATH" >{tmp_path}/said\nexit 3\n')
    script.chmod(0o755)
    assert ScriptRunner().run(str(script), ("add",), {"XENBUS_PATH": "backend/vbd/1/2"}) == 3
    assert (tmp_path / "said").read_text() == "add backend/vbd/1/2\n"
    script.write_text("#!/bin/sh\nsleep 60 &\nsleep 60\n")
    assert ScriptRunner(0.1).run(str(script), ("add",), {}) == 124
    with pytest.raises(OSError, match="none"):
        ScriptRunner().run(str(tmp_path / "none"), ("add",), {})
