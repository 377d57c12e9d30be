# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that dom0 cannot give, on a real Xen: `create` fails as xl does, says why, and leaves dom0 as it was."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.dom0.bad_guests import ARCHITECTURE, image_of
from testbed.dom0.commands import COLDLINE, coldline, good

pytestmark = pytest.mark.one_xen

SCRIPTS = "/etc/xen/scripts"
RECORDS = Path("/var/lib/xen")
WITHIN_S = 120
"""Seconds by the wall clock, on a busy machine."""

State = dict[str, list[str]]


def output(*words: str) -> list[str]:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def dom0() -> State:
    """What guests and their devices leave in dom0."""
    entries = output("xenstore-ls", "-f", "/")
    return {
        "domains": [line.split()[0] for line in output("xl", "list")],
        "entries": sorted(line for line in entries if line not in ('/libxl = ""', '/vm = ""')),
        "loop devices": output("/sbin/losetup", "-a"),
        "interfaces": sorted(interfaces()),
        "records": sorted(each.name for each in RECORDS.glob("userdata-*")),
        "processes": sorted(processes()),
    }


def interfaces() -> Iterator[str]:
    """Network interfaces, and whether they are up."""
    for each in Path("/sys/class/net").iterdir():
        yield f"{each.name} {'up' if int((each / 'flags').read_text(), 0) & 1 else 'down'}"


def processes() -> Iterator[str]:
    """Builders, keepers and hotplug scripts."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode().split("\0")
        except OSError:
            continue
        if "create" in words or any(word.startswith((f"{SCRIPTS}/", "/tmp/")) for word in words):
            yield " ".join(words)


def difference(before: State, after: State) -> list[str]:
    return [
        *(f"- {line}" for key in before for line in before[key] if line not in after[key]),
        *(f"+ {line}" for key in before for line in after[key] if line not in before[key]),
    ]


def comes(true: Callable[[], object]) -> bool:
    end = time.monotonic() + WITHIN_S
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.2)
    return bool(found)


class Faulty:
    """A configuration of a small guest, and what its devices can be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "faulty.cfg"
        self.before: State = {}
        image = folder / "image"
        image.write_bytes(image_of("off", ARCHITECTURE))
        self.file.write_text(f'name = "faulty"\nkernel = "{image}"\nmemory = 16\n')
        for name in ("disk", "second"):
            (folder / f"{name}.img").write_bytes(bytes(1 << 20))
        self.script("fails", "exit 3")
        self.script("killed", "kill -9 $$")
        self.script("says", 'xenstore-write "$XENBUS_PATH/hotplug-error" "no such LUN"\nexit 1')
        self.script("vanishes", f'rm -f {folder}/second.img\nexec {SCRIPTS}/block "$@"')
        self.script("stays", f'[ "$1" = add ] || exit 5\nexec {SCRIPTS}/block "$@"')
        self.script("slow", f'[ "$1" = add ] || exit 0\ntouch {folder}/started\nsleep 15')
        self.script("interpreted", "").write_text("#!/none/sh\n")

    def script(self, name: str, body: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)
        return path

    def words(self, *settings: str) -> list[str]:
        """Return the file and settings, as words of a command."""
        return [str(self.file), *(each.replace("HERE", str(self.folder)) for each in settings)]

    @property
    def left(self) -> list[str]:
        """What is left in dom0, once nothing changes any more."""
        comes(lambda: dom0() == self.before)
        return difference(self.before, dom0())


@pytest.fixture
def faulty(driver: None, tmp_path: Path) -> Iterator[Faulty]:
    """The guest; in the end dom0 is as it was."""
    before = dom0()
    faulty = Faulty(tmp_path)
    faulty.before = before
    yield faulty
    for line in output("xl", "list")[2:]:
        coldline("destroy", line.split()[0])
    faulty.before = before
    assert faulty.left == []


@pytest.fixture
def loop_device(faulty: Faulty) -> Iterator[str]:
    """A block device."""
    device = "/dev/loop7"
    subprocess.run(["/sbin/losetup", device, faulty.folder / "disk.img"], check=True)
    faulty.before = dom0()
    yield device
    subprocess.run(["/sbin/losetup", "-d", device], check=True)


DISK = "HERE/disk.img,raw,xvda,w"
BLOCK, BRIDGE = f"{SCRIPTS}/block", f"{SCRIPTS}/vif-bridge"
FAILING = {
    "it cannot be run": (
        ('disk=["script=HERE/interpreted,vdev=xvda,target=a"]',),
        "disk xvda: HERE/interpreted: No such file or directory",
    ),
    "it fails after that of another": (
        (f'disk=["{DISK}", "script=HERE/fails,vdev=xvdb,target=a"]',),
        "disk xvdb: HERE/fails: it failed, with status 3",
    ),
    "it is killed": (
        ('disk=["script=HERE/killed,vdev=xvda,target=a"]',),
        "disk xvda: HERE/killed: it was ended by signal 9",
    ),
    "it says why": (
        ('disk=["script=HERE/says,vdev=xvda,target=a"]',),
        "disk xvda: HERE/says: no such LUN",
    ),
    "the file vanishes": (
        ('disk=["script=HERE/vanishes,vdev=xvda,target=HERE/disk.img", "HERE/second.img,raw,xvdb,w"]',),
        f"disk xvdb: {BLOCK}: it failed, with status 1",
    ),
    "that of an interface": (
        (f'disk=["{DISK}"]', 'vif=["script=HERE/fails"]'),
        "network interface 0: HERE/fails: it failed, with status 3",
    ),
    "not a bridge": (('vif=["bridge=lo"]',), f"network interface 0: {BRIDGE}: it failed, with status 1"),
    "a name that is taken": (
        ('vif=["vifname=taken"]',),
        f"network interface 0: {BRIDGE}: Cannot rename interface vif.* An interface with name taken already exists.",
    ),
}
"""Settings with which a script fails, and what coldline says."""


def refused(faulty: Faulty, *settings: str, also_by_xl: bool = True) -> str:
    """Create a guest, which fails, by both; nothing is left. Return what coldline says."""
    done = coldline("create", "-p", "-e", *faulty.words(*settings))
    assert done.returncode == 2, done.stderr
    assert faulty.left == []
    if also_by_xl:
        words = ["xl", "create", "-q", "-p", "-e", *faulty.words(*settings)]
        theirs = subprocess.run(words, capture_output=True, text=True, check=False)
        assert theirs.returncode, "xl gives the guest this device"
        assert faulty.left == []
    return re.sub(r"^coldline: domain \d+: ", "", done.stderr.replace(str(faulty.folder), "HERE"))


@pytest.fixture(scope="module")
def taken() -> Iterator[None]:
    """An interface whose name no interface of a guest can have: where xl's script or ours fails, it puts it down."""
    subprocess.run(["brctl", "addbr", "taken"], check=True)
    yield
    subprocess.run(["brctl", "delbr", "taken"], check=True)


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize("case", FAILING)
def test_a_script_fails(faulty: Faulty, case: str) -> None:
    settings, why = FAILING[case]
    # xl runs the scripts of all disks at once
    said = refused(faulty, *settings, also_by_xl=case != "the file vanishes")
    assert re.fullmatch(f"{why}\n", said)


def test_a_device_of_another_guest(faulty: Faulty, loop_device: str) -> None:
    other = faulty.folder / "other.cfg"
    other.write_text(faulty.file.read_text().replace("faulty", "other"))
    disk = f'disk=["phy:{loop_device},xvda,w"]'
    good("create", "-p", "-e", str(other), disk)
    faulty.before = dom0()
    said = refused(faulty, disk)
    assert said.startswith(f"disk xvda: {BLOCK}: Device {loop_device} is mounted in a guest domain, ")
    good("destroy", "other")


def test_a_device_that_dom0_has_mounted(faulty: Faulty, loop_device: str) -> None:
    """The script looks only into /proc/mounts."""
    place = faulty.folder / "mounted"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", loop_device, place], check=True)
    try:
        said = refused(faulty, f'disk=["phy:{loop_device},xvda,w"]')
        assert said.startswith(
            f"disk xvda: {BLOCK}: Device {loop_device} is mounted in the privileged domain, "
        )
    finally:
        subprocess.run(["umount", place], check=True)


def test_no_backend(faulty: Faulty) -> None:
    subprocess.run(["rmmod", "xen_blkback"], check=True)
    try:
        done = coldline("create", "-p", "-e", *faulty.words(f'disk=["{DISK}"]'))
    finally:
        subprocess.run(["insmod", "/usr/lib/modules/xen-blkback.ko"], check=True)
    assert done.returncode == 2
    assert done.stderr.endswith("disk xvda: dom0's kernel has not taken it in 10 s: is xen-blkback loaded?\n")


def test_killed_while_a_script_runs(faulty: Faulty) -> None:
    """`destroy` takes away what is there, also the disk whose script had done its work."""
    disks = f'disk=["{DISK}", "script=HERE/slow,vdev=xvdb,target=a"]'
    words = [*COLDLINE, "create", "-p", "-e", *faulty.words(disks)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        assert comes((faulty.folder / "started").exists)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(output("/sbin/losetup", "-a")) == 1
    good("destroy", "faulty")
    assert faulty.left == []


def test_a_script_that_fails_at_the_end(faulty: Faulty) -> None:
    """What it should have undone stays; the guest goes."""
    good("create", "-p", "-e", *faulty.words('disk=["script=HERE/stays,vdev=xvda,target=HERE/disk.img"]'))
    good("destroy", "faulty")
    assert [line.split(":")[0] for line in difference(faulty.before, dom0())] == ["+ /dev/loop0"]
    subprocess.run(["/sbin/losetup", "-d", "/dev/loop0"], check=True)
