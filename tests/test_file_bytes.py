# SPDX-License-Identifier: GPL-2.0-or-later
"""Initrds that stay in their files until the guest has them."""

import errno
import os

import pytest
from command import COHERENT, ERROR, MIDWAY, Cli
from tree_tools import KERNEL, MIB

from coldline.builder import build
from coldline.errors import ImageError
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.simulated import SimulatedHost
from coldline.hypervisor.xen.mapping import XenMapping
from coldline.image import FileBytes, open_blob

DATA = os.urandom(MIB + 1234)
AT = 0x48000000


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "initrd"
    made.write_bytes(DATA)
    return made


def test_the_bytes_of_a_file(path):
    initrd = open_blob(path, "initrd")
    assert isinstance(initrd, FileBytes)
    assert (initrd.nbytes, len(initrd)) == (len(DATA), len(DATA))
    for part in (slice(0, 10), slice(MIB - 3, MIB + 3), slice(-5, None), slice(len(DATA), None), slice(7, 3)):
        assert initrd[part] == DATA[part]
    os.unlink(path)
    assert initrd[:] == DATA, "an open file stays"


def test_a_pipe_is_read_at_once(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe")
    os.close(writer)
    assert open_blob(f"/dev/fd/{reader}", "initrd") == b"from a pipe"
    os.close(reader)


def test_refusals_are_those_of_load_blob(tmp_path, path):
    for bad, limit, words in (
        (tmp_path / "none", MIB, "cannot open the initrd: No such file or directory"),
        (tmp_path, MIB, "the initrd is a directory, not a file"),
        (
            path,
            len(DATA) - 1,
            f"the initrd has {len(DATA)} bytes, above the limit of {len(DATA) - 1} (--max-image)",
        ),
    ):
        with pytest.raises(ImageError) as caught:
            open_blob(bad, "initrd", max_image=limit)
        assert str(caught.value) == f"{bad}: {words}"
    assert len(open_blob(path, "initrd", max_image=len(DATA))) == len(DATA)


def shorter(path):
    os.truncate(path, len(DATA) - 1)


def longer(path):
    os.truncate(path, len(DATA) + 1)


def rewritten(path):
    path.write_bytes(bytes(len(DATA)))
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [shorter, longer, rewritten])
def test_a_file_that_changes_ends_the_build_and_leaves_no_domain(path, change):
    plan = make_plan(KERNEL, GuestOptions(memory=256 * MIB, initrd=open_blob(path, "initrd")))
    change(path)
    host = SimulatedHost(HOST_MODELS["rfc"], lambda event: None)
    with pytest.raises(ImageError) as caught:
        build(plan, "uncached", host)
    assert str(caught.value) == f"{path}: the initrd changed after it was opened"
    assert host.domains == ()
    assert not host.has_allocated_memory


def test_one_write_puts_it_into_the_guest(path):
    plan = make_plan(KERNEL, GuestOptions(memory=256 * MIB, initrd=open_blob(path, "initrd")))
    trace = []
    domain = build(plan, "uncached", SimulatedHost(HOST_MODELS["rfc"], trace.append))
    start = AT - domain.banks[0].base
    assert bytes(domain.banks[0].buffer[start : start + len(DATA) + 2]) == DATA + b"\0\0"
    assert f"dom0 write {AT:#x} {len(DATA):#x}" in [str(event) for event in trace]


class Memory:
    """Takes what a mapping on Xen writes."""

    def __init__(self):
        self.written = bytearray(2 * MIB)
        self.views = []

    def view(self, address, size):
        self.views.append(size)
        return memoryview(self.written)[address : address + size]


def test_a_mapping_on_xen_is_read_into_straight_from_the_file(path):
    from coldline.arm import MemoryType
    from coldline.hypervisor.xen.mapping import Piece

    memory = Memory()
    # Two pieces, the second of which is lower in this process.
    pieces = [Piece(0, MIB // 2, MIB), Piece(MIB // 2, MIB, 0)]
    mapping = XenMapping(None, AT, MemoryType.NORMAL_NC, pieces, memory=memory, unmap=lambda mapping: None)
    mapping.write(4096, open_blob(path, "initrd"))
    assert memory.written[MIB + 4096 : MIB + MIB // 2] == DATA[: MIB // 2 - 4096]
    assert memory.written[: len(DATA) - MIB // 2 + 4096] == DATA[MIB // 2 - 4096 :]
    assert sum(memory.views) == len(DATA)


def test_where_a_file_cannot_be_read_into_a_mapping_there_is_a_buffer_between(path, monkeypatch):
    def refused(descriptor, buffers, offset):
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))

    monkeypatch.setattr(os, "preadv", refused)
    initrd = open_blob(path, "initrd")
    assert initrd[3:] == DATA[3:]
    os.truncate(path, MIB)
    with pytest.raises(ImageError, match="changed after it was opened"):
        assert initrd[:]


def test_the_command_reads_it_once_it_builds(cli: Cli, path):
    assert cli(*MIDWAY, "--initrd", path, "--memory", "256M").status == COHERENT
    path.write_bytes(b"")
    assert cli(*MIDWAY, "--initrd", path).status == ERROR
