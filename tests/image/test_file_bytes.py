# SPDX-License-Identifier: GPL-2.0-or-later
"""Initrds that stay in their files until they are copied to the guest."""

import errno
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from coldline.builder import build_domain
from coldline.errors import ImageError
from coldline.events import Event
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.protocol import Buffer, slice_data
from coldline.hypervisor.simulated import SimulatedHost
from coldline.hypervisor.xen import XenDomain
from coldline.hypervisor.xen.bindings.maintenance import ProcessMemory
from coldline.hypervisor.xen.mapped_frames import LibraryFrames
from coldline.hypervisor.xen.mapping import XenMapping
from coldline.image import FileBytes, RawPlacement, load_kernel, open_blob, open_kernel
from coldline.support.frozen_record import replace
from tests.helpers.command import COHERENT, ERROR, MIDWAY, Cli
from tests.helpers.device_trees import KERNEL, MIB

DATA = os.urandom(MIB + 1234)
AT = 0x48000000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "initrd"
    made.write_bytes(DATA)
    return made


def test_the_bytes_of_a_file(path: Path) -> None:
    initrd = open_blob(path, "initrd")
    assert isinstance(initrd, FileBytes)
    assert (initrd.nbytes, len(initrd)) == (len(DATA), len(DATA))
    for some in (slice(0, 10), slice(MIB - 3, MIB + 3), slice(-5, None), slice(len(DATA), None), slice(7, 3)):
        assert initrd[some] == DATA[some]
    os.unlink(path)
    assert initrd[:] == DATA, "an open file stays"


def test_a_pipe_is_read_at_once(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe")
    os.close(writer)
    assert open_blob(f"/dev/fd/{reader}", "initrd") == b"from a pipe"
    os.close(reader)


def test_refusals_are_those_of_load_blob(tmp_path: Path, path: Path) -> None:
    for bad, limit, words in (
        (tmp_path / "none", MIB, "cannot open the initrd: No such file or directory"),
        (tmp_path, MIB, "the initrd is a directory, not a file"),
        (
            path,
            len(DATA) - 1,
            f"the initrd has {len(DATA)} bytes, more than the limit of {len(DATA) - 1} (--max-image)",
        ),
    ):
        with pytest.raises(ImageError) as caught:
            open_blob(bad, "initrd", max_image=limit)
        assert str(caught.value) == f"{bad}: {words}"
    assert len(open_blob(path, "initrd", max_image=len(DATA))) == len(DATA)


def shorter(path: Path) -> None:
    os.truncate(path, len(DATA) - 1)


def longer(path: Path) -> None:
    os.truncate(path, len(DATA) + 1)


def rewritten(path: Path) -> None:
    path.write_bytes(bytes(len(DATA)))
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [shorter, longer, rewritten])
def test_a_file_that_changes_ends_the_build_and_leaves_no_domain(
    path: Path, change: Callable[[Path], None]
) -> None:
    plan = make_plan(KERNEL, GuestOptions(memory=256 * MIB, initrd=open_blob(path, "initrd")))
    change(path)
    host = SimulatedHost(HOST_MODELS["rfc"], lambda event: None)
    with pytest.raises(ImageError) as caught:
        build_domain(plan, "uncached", host)
    assert str(caught.value) == f"{path}: the initrd changed after it was opened"
    assert host.domains == ()
    assert not host.has_allocated_memory


def test_one_write_puts_it_into_the_guest(path: Path) -> None:
    plan = make_plan(KERNEL, GuestOptions(memory=256 * MIB, initrd=open_blob(path, "initrd")))
    trace: list[Event] = []
    domain = build_domain(plan, "uncached", SimulatedHost(HOST_MODELS["rfc"], trace.append))
    start = AT - domain.banks[0].base
    assert bytes(domain.banks[0].buffer[start : start + len(DATA) + 2]) == DATA + b"\0\0"
    assert f"dom0 write {AT:#x} {len(DATA):#x}" in [str(event) for event in trace]


class Memory(ProcessMemory):
    """Collects the bytes that a mapping on Xen writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray(2 * MIB)
        self.views: list[int] = []

    def view(self, address: int, size: int) -> memoryview:
        self.views.append(size)
        return memoryview(self.written)[address : address + size]

    def copy(self, address: int, data: Buffer) -> None:
        raise AssertionError("there is a copy between")


class Frames(LibraryFrames):
    """Frames that are mapped where it says."""

    def __init__(self, local_address: int) -> None:
        self.local_address = local_address


def test_a_mapping_on_xen_is_read_into_straight_from_the_file(path: Path) -> None:
    from coldline.arm import MemoryType

    memory = Memory()
    mapping = XenMapping(
        XenDomain(1, bytes(16), "arm64", MIB, 1),
        AT,
        MIB,
        MemoryType.NORMAL_NC,
        Frames(8192),
        memory=memory,
        move=lambda mapping, address, size: None,
        unmap=lambda mapping: None,
    )
    mapping.write(4096, slice_data(open_blob(path, "initrd"), 5, MIB // 2))
    assert memory.written[8192 + 4096 :][: MIB // 2 - 5] == DATA[5 : MIB // 2]
    assert memory.views == [MIB // 2 - 5]


def test_where_a_file_cannot_be_read_into_a_mapping_there_is_a_buffer_between(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(descriptor: int, buffers: list[memoryview], offset: int) -> None:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))

    monkeypatch.setattr(os, "preadv", refused)
    initrd = open_blob(path, "initrd")
    assert initrd[3:] == DATA[3:]
    os.truncate(path, MIB)
    with pytest.raises(ImageError, match="changed after it was opened"):
        assert initrd[:]


def test_the_command_reads_it_once_it_builds(cli: Cli, path: Path) -> None:
    assert cli(*MIDWAY, "--initrd", path, "--memory", "256M").status == COHERENT
    path.write_bytes(b"")
    assert cli(*MIDWAY, "--initrd", path).status == ERROR


def test_a_kernel_stays_in_its_file_where_it_is_an_arm64_image(tmp_path: Path) -> None:
    from coldline.samples import sample

    image = sample("midway-arm64").image.read_bytes()
    path = tmp_path / "kernel"
    path.write_bytes(image)
    kernel, loaded = open_kernel(path), load_kernel(path)
    assert isinstance(kernel.pieces[0].data, FileBytes)
    assert kernel.pieces[0].data[:] == loaded.pieces[0].data == image
    assert replace(kernel, pieces=loaded.pieces) == loaded
    plan = make_plan(kernel, GuestOptions(memory=256 * MIB))
    domain = build_domain(plan, "uncached", SimulatedHost(HOST_MODELS["rfc"], lambda event: None))
    start = plan.segments[0].address - domain.banks[0].base
    assert bytes(domain.banks[0].buffer[start : start + len(image)]) == image
    path.write_bytes(image[:4096])
    host = SimulatedHost(HOST_MODELS["rfc"], lambda event: None)
    with pytest.raises(ImageError, match=r": the kernel changed after it was opened$"):
        build_domain(plan, "uncached", host)
    assert host.domains == ()


@pytest.mark.parametrize("wrong", ["cut", "flags", "size"])
def test_an_open_kernels_header_is_checked_as_a_loaded_ones(tmp_path: Path, wrong: str) -> None:
    from coldline.samples import sample

    image = bytearray(sample("midway-arm64").image.read_bytes())
    if wrong == "cut":
        del image[60:]
    elif wrong == "flags":
        image[24] |= 1
    else:
        image[16:24] = (5).to_bytes(8, "little")
    path = tmp_path / "kernel"
    path.write_bytes(image)
    said = []
    for read in (load_kernel, open_kernel):
        with pytest.raises(ImageError) as caught:
            read(path)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_other_kernels_and_pipes_are_loaded(tmp_path: Path) -> None:
    from coldline.samples import sample

    image = sample("midway-arm64").image.read_bytes()
    path = tmp_path / "kernel.gz"
    path.write_bytes(gzip.compress(image))
    kernel = open_kernel(path)
    assert (kernel.layers, kernel.pieces[0].data) == (("gzip",), image)
    raw = open_kernel(sample("midway-arm64").image, raw=RawPlacement("arm64", 0x41000000, 0x41000000))
    assert (raw.format, raw.pieces[0].data) == ("raw", image)
    reader, writer = os.pipe()
    os.write(writer, image[:4096])
    os.close(writer)
    with pytest.raises(ImageError, match="the kernel has more bytes than the limit of 100"):
        open_kernel(f"/dev/fd/{reader}", max_image=100)
    os.close(reader)
