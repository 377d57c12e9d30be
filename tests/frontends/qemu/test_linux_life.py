# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with two cores, watched while it turns a core off and on, suspends to idle, and starts itself anew.

Its user space is a shell script and a program of a few instructions that loads the kernel by kexec_load.
"""

import json
import struct
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from testbed.machines.image import archive
from testbed.packages import debian
from testbed.packages.kernels import kernel
from tests.helpers import machines
from tests.helpers.command import HAZARD, Cli
from tests.helpers.requirements import packages_of
from tests.helpers.tiny_guests import RAM, code, mov

CLOCK = ("-icount", "shift=1,sleep=off", "-rtc", "clock=vm")
"""The machine's clocks count instructions, so that the alarm comes after the suspend, however slow the machine is."""

OPTIONS = "console=ttyAMA0 panic=-1 nokaslr rdinit=/init"
_OPENAT, _EXIT, _KEXEC_LOAD, _REBOOT, _MMAP = 56, 93, 104, 142, 222
"""Numbers of system calls (linux include/uapi/asm-generic/unistd.h)."""

_HERE = -100 & (1 << 64) - 1
_READABLE, _PRIVATE = 1, 2
_AARCH64 = 183 << 16
_MAGIC, _MAGIC2, _KEXEC = 0xFEE1_DEAD, 672_274_793, 0x4558_4543
"""linux include/uapi/linux/fcntl.h, asm-generic/mman-common.h, kexec.h, reboot.h"""

KERNEL_AT, TREE_AT, STUB_AT = 0x5000_0000, 0x5C00_0000, 0x5C20_0000
"""Where the second kernel, its device tree and the code that starts it are; 512 MiB of RAM begin at 1 GiB."""

_NAMES, _SEGMENTS, _STUB = 0x800, 0x900, 0xA00
_PAGE = 0x1000

INIT = """#!/busybox sh
/busybox mount -t devtmpfs devtmpfs /dev
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sysfs /sys
exec >/dev/console 2>&1
online=/sys/devices/system/cpu/cpu1/online
for turn in 1 2; do
    echo 0 >$online
    echo "life: cores $(/busybox cat /sys/devices/system/cpu/online)"
    echo 1 >$online
    echo "life: cores $(/busybox cat /sys/devices/system/cpu/online)"
done
echo +10 >/sys/class/rtc/rtc0/wakealarm
echo freeze >/sys/power/state && echo "life: has slept"
/kexec
echo "life: no kexec: $?"
/busybox poweroff -f
"""


def call(number: int, *arguments: int | None) -> a64.Code:
    """A system call; an argument that is None is in its register already."""
    given = [mov(index, value) for index, value in enumerate(arguments) if value is not None]
    return code(*given, mov(8, number), a64.svc(0))


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


def kexec(kernel_size: int, image_size: int, tree_size: int) -> bytes:
    """A program that starts the kernel in ``/kernel`` with the device tree in ``/tree``, by kexec_load."""
    maps = [
        code(
            call(_OPENAT, _HERE, RAM + _NAMES + 16 * index, 0),
            a64.add(4, 0, 0),
            call(_MMAP, 0, size, _READABLE, _PRIVATE, None, 0),
            mov(9, RAM + _SEGMENTS + 32 * index),
            a64.store(0, 9),
        )
        for index, size in enumerate((kernel_size, tree_size))
    ]
    reboot = call(_REBOOT, _MAGIC, _MAGIC2, _KEXEC)
    program = code(
        *maps, call(_KEXEC_LOAD, STUB_AT, 3, RAM + _SEGMENTS, _AARCH64), a64.subs(9, 0, 0),
        a64.b_ne(len(reboot) + 1), reboot, call(_EXIT, None),
    )  # fmt: skip
    # linux Documentation/arm64/booting.rst: x0 is the device tree, x1 to x3 are 0
    stub = code(mov(0, TREE_AT), *(mov(index, 0) for index in (1, 2, 3)), mov(4, KERNEL_AT), a64.blr(4))
    segments = [  # struct kexec_segment: buf, bufsz, mem, memsz
        (0, kernel_size, KERNEL_AT, _pages(image_size)), (0, tree_size, TREE_AT, _pages(tree_size)),
        (RAM + _STUB, 4 * len(stub), STUB_AT, _PAGE),
    ]  # fmt: skip
    memory = bytearray(_PAGE)
    for at, piece in (
        (0, a64.bytes_of(program)), (_NAMES, b"/kernel\0"), (_NAMES + 16, b"/tree\0"),
        (_SEGMENTS, b"".join(struct.pack("<4Q", *each) for each in segments)), (_STUB, a64.bytes_of(stub)),
    ):  # fmt: skip
        memory[at : at + len(piece)] = piece
    return machines.elf(bytes(memory))


def initrd(tmp_path: Path, image: Path, words: list[str]) -> Path:
    """The root of the first kernel; `words` are the machine's command line, without an initrd."""
    tree = tmp_path / "tree"
    subprocess.run([*words, "-machine", f"dumpdtb={tree}"], check=True, capture_output=True)
    content, device_tree = image.read_bytes(), tree.read_bytes()
    image_size = struct.unpack_from("<Q", content, 16)[0]
    start = kexec(len(content), image_size, len(device_tree))
    root = tmp_path / "root"
    for folder in ("dev", "proc", "sys"):
        (root / folder).mkdir(parents=True)
    (busybox,) = debian.packages("arm64", ["busybox-static"])["busybox-static"].glob("**/bin/busybox")
    files = {
        "busybox": busybox.read_bytes(),
        "kernel": content,
        "tree": device_tree,
        "kexec": start,
        "init": INIT.encode(),
    }
    for name, content in files.items():
        (root / name).write_bytes(content)
        (root / name).chmod(0o755)
    target = tmp_path / "initrd"
    archive(root, target)
    return target


def command(image: Path, serial: str) -> list[str]:
    """The machine's command line."""
    return [
        *machines.qemu(), "-M", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", "512", "-display", "none", "-nic",
        "none", "-no-reboot", "-serial", serial, *CLOCK, "-kernel", str(image), "-append", OPTIONS,
    ]  # fmt: skip


@pytest.mark.long
def test_a_core_off_and_on_a_suspend_and_the_kernel_anew(cli: Cli, tmp_path: Path) -> None:
    """What one core has left in its caches, and what the first kernel has, is nowhere read in an old form.

    The hazards are instructions that are changed while they may be executed: docs/reference/watch.md.
    """
    console = tmp_path / "console"
    with packages_of(None):
        image = kernel("arm64")
        words = command(image, f"file:{console}")
        root = initrd(tmp_path, image, words)
    done = cli("watch", "--json", "--start", "cold", "--hazards", "0", "--", *words, "-initrd", root)
    text = console.read_text(errors="replace")
    said = [line.strip().removeprefix("life: ") for line in text.splitlines() if line.startswith("life: ")]
    assert said == ["cores 0", "cores 0-1", "cores 0", "cores 0-1", "has slept"], text[-2000:]
    assert text.count("SMP: Total of 2 processors activated") == 2
    assert "Kernel panic - not syncing: VFS: Unable to mount root fs" in text
    assert done.status == HAZARD, done
    document = json.loads(done.out)
    assert set(document["hazards_by_kind"]) == {"stale-fetch"}
    assert document["hazards_found"] < 10
    assert document["inconclusive_because"] == []
    assert document["machine"]["status"] == 0
