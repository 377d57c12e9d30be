# SPDX-License-Identifier: GPL-2.0-or-later
"""The meaning of guest configuration files, by xl's sources and manual."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldline.errors import ConfigError, ImageError
from coldline.guest.config import (
    PLAN_KEYS,
    SHUTDOWN_ACTIONS,
    GuestConfig,
    config_from_text,
    looks_like_config,
    read_config,
)
from coldline.support.units import MIB
from tests.helpers.effort import examples
from tests.helpers.requirements import require
from tests.oracles import libxlu

NAME = 'name = "g"\n'


def config(text: str, *assignments: str, used_keys: "frozenset[str]" = PLAN_KEYS) -> GuestConfig:
    return config_from_text(NAME + text, "g.cfg", assignments=assignments, used_keys=used_keys)


def remarks(text: str, *assignments: str) -> list[str]:
    return [str(each) for each in config(text, *assignments).remarks]


def test_what_is_not_said_is_as_xl_has_it() -> None:
    assert config("") == GuestConfig(
        path="g.cfg",
        name="g",
        type="pvh",
        uuid=None,
        kernel=None,
        ramdisk=None,
        device_tree=None,
        cmdline=None,
        memory=32 * MIB,
        maxmem=32 * MIB,
        vcpus=1,
        maxvcpus=1,
        cpus=(),
        gic_version=None,
        vuart=None,
        on_poweroff="destroy",
        on_reboot="restart",
        on_crash="destroy",
        on_watchdog="destroy",
        on_soft_reset="soft-reset",
        remarks=(),
    )


def test_what_is_said() -> None:
    got = config(
        """
        type = "pvh"; uuid = "01234567-89ab-cdef-0123-456789ABCDEF"
        kernel = "boot/vmlinuz"
        ramdisk = '/boot/initrd'
        device_tree = "part.dtb"
        memory = 0x200
        maxmem = 01000
        vcpus = "2"
        maxvcpus = 4
        cpus = ["0", "1-2,^1"]
        gic_version = "V2"
        vuart = "sbsa_uart"
        on_poweroff = "preserve"
        on_reboot = "rename-restart"
        on_crash = "coredump-destroy"
        on_watchdog = "coredump-restart"
        on_soft_reset = "restart"
        """,
        used_keys=PLAN_KEYS
        | {"uuid", "cpus", "on_poweroff", "on_reboot", "on_crash", "on_watchdog", "on_soft_reset"},
    )
    assert got.uuid == UUID("01234567-89ab-cdef-0123-456789abcdef")
    assert (got.kernel, got.ramdisk, got.device_tree) == ("boot/vmlinuz", "/boot/initrd", "part.dtb")
    assert (got.memory, got.maxmem) == (512 * MIB, 512 * MIB)
    assert (got.vcpus, got.maxvcpus, got.cpus) == (2, 4, ("0", "1-2,^1"))
    assert (got.gic_version, got.vuart) == (2, "sbsa_uart")
    assert (got.on_poweroff, got.on_reboot, got.on_crash) == (
        "preserve",
        "rename-restart",
        "coredump-destroy",
    )
    assert (got.on_watchdog, got.on_soft_reset) == ("coredump-restart", "restart")
    (remark,) = got.remarks
    assert remark.text == "vcpus is ignored by coldline: the guest starts with maxvcpus, 4"


@pytest.mark.parametrize(
    ("text", "cmdline"),
    [
        ("", None),
        ("cmdline='a b'", "a b"),
        ("extra='quiet'", "quiet"),
        ("root='/dev/xvda'", "root=/dev/xvda"),
        ("extra='quiet'\nroot='/dev/xvda ro'", "root=/dev/xvda ro quiet"),
        ("cmdline=''\nextra='x'", ""),
        ("cmdline='a'\nextra='x'\nroot='y'", "a"),
        ("extra='a'\nextra+=' b'", "a b"),
    ],
)
def test_the_command_line(text: str, cmdline: str | None) -> None:
    assert config(text).cmdline == cmdline


def test_what_cmdline_displaces_is_named() -> None:
    assert remarks("extra='x'\ncmdline='a'\nroot='y'") == [
        "g.cfg:2:1: extra is ignored, as cmdline is set",
        "g.cfg:4:1: root is ignored, as cmdline is set",
    ]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("memory=64", (64, 64)),
        ("maxmem=64", (64, 64)),
        ("memory=64\nmaxmem=128", (64, 128)),
    ],
)
def test_memory(text: str, want: tuple[int, int]) -> None:
    got = config(text)
    assert (got.memory // MIB, got.maxmem // MIB) == want


@pytest.mark.parametrize(
    ("text", "want"), [("vcpus=3", (3, 3)), ("maxvcpus=3", (1, 3)), ("vcpus=2\nmaxvcpus=3", (2, 3))]
)
def test_vcpus(text: str, want: tuple[int, int]) -> None:
    got = config(text)
    assert (got.vcpus, got.maxvcpus) == want


def test_one_list_of_cpus_is_for_every_vcpu_and_a_list_of_them_is_for_one_each() -> None:
    assert config("vcpus=2\ncpus='all,^1'").cpus == ("all,^1", "all,^1")
    assert config("vcpus=2\ncpus=['node:0','^2-3,nodes:1','4']").cpus == ("node:0", "^2-3,nodes:1")


@pytest.mark.parametrize(("word", "kind"), [("pvh", "pvh"), ("pv", "pv"), ("p", "pv"), ("h", "hvm")])
def test_a_type_is_known_by_its_beginning_as_to_xl(word: str, kind: str) -> None:
    assert config(f"type='{word}'").type == kind


def test_every_action_exists() -> None:
    for action in SHUTDOWN_ACTIONS:
        assert config(f"on_crash='{action}'").on_crash == action


def test_what_follows_on_the_command_line_wins() -> None:
    got = config("memory=64\nextra='a'\n", "memory=128", "extra+=' b'")
    assert (got.memory, got.cmdline) == (128 * MIB, "a b")


# -- remarks -----------------------------------------------------------------------------------------------------


def test_what_is_not_honoured_is_named_once_with_its_line() -> None:
    assert remarks(
        "vif = ['bridge=br0']\n  uuid='01234567-89ab-cdef-0123-456789abcdef'; memroy = 4\nvif += ['']"
    ) == [
        "g.cfg:3:3: uuid is ignored by coldline",
        "g.cfg:3:48: memroy is unknown, also to xl",
        "g.cfg:4:1: vif is ignored by coldline",
    ]


def test_what_a_caller_honours_is_not_named() -> None:
    assert config("on_crash='destroy'", used_keys=PLAN_KEYS | {"on_crash"}).remarks == ()
    assert remarks("on_crash='destroy'") == ["g.cfg:2:1: on_crash is ignored by coldline"]


def test_what_asks_for_nothing_is_not_named() -> None:
    assert remarks("vif = []\ndisk=[ ]\nacpi=0\npassthrough='disabled'\nhap=1") == []
    assert remarks("acpi=1\nthing=[]") == [
        "g.cfg:2:1: acpi is ignored by coldline",
        "g.cfg:3:1: thing is unknown, also to xl",
    ]


def test_other_types_and_more_memory_than_at_first_are_named() -> None:
    assert remarks("type='hvm'\nmemory=64\nmaxmem=65") == [
        "g.cfg:2:1: type is hvm: on Arm there is only pvh",
        "g.cfg:4:1: maxmem is ignored by coldline: the guest has memory's 64 MiB",
    ]
    assert remarks("builder='generic'") == ["g.cfg:2:1: type is pv: on Arm there is only pvh"]


# -- values that are none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("kernel=['a']", "2:8: kernel needs a single value, not a list"),
        ("memory='64M'", "2:8: memory needs a number, not '64M'"),
        ("memory='08'", "2:8: memory needs a number, not '08'"),
        ("memory=0", "2:8: memory is 0, but must be from 1 to 8796093022208"),
        ("memory='-1'", "2:8: memory is -1, but must be from 1 to 8796093022208"),
        (
            "memory=99999999999999999999",
            "2:8: memory is 99999999999999999999, but must be from 1 to 8796093022208",
        ),
        ("memory=6\nmemory+=4", "3:1: memory is a number, which '+=' cannot extend"),
        ("memory=64\nmaxmem=32", "3:1: maxmem (32) is less than memory (64)"),
        ("vcpus=0", "2:7: vcpus is 0, but must be from 1 to 4096"),
        ("vcpus=2\nmaxvcpus=1", "3:1: maxvcpus (1) is less than vcpus (2)"),
        ("cpus=[['1']]", "2:7: cpus needs a string for each vCPU, not a list"),
        ("cpus='1,x'", "2:6: cpus: 'x' is not a list of CPUs, such as 0-3,^2 or all or node:1"),
        ("cpus='^all'", "2:6: cpus: '^all' is not a list of CPUs, such as 0-3,^2 or all or node:1"),
        ("type='pvx'", "2:6: invalid type 'pvx'; choose from: hvm, pv, pvh"),
        ("builder='linux'", "2:9: invalid builder 'linux'; choose from: hvm, generic"),
        ("type='pvh'\nbuilder='hvm'", "3:1: builder demands type hvm, but type is pvh"),
        ("gic_version='v4'", "2:13: invalid gic_version 'v4'; choose from: default, v2, v3"),
        ("vuart='ns16550'", "2:7: invalid vuart 'ns16550'; choose from: sbsa_uart, unknown"),
        ("uuid='1234'", "2:6: invalid uuid '1234'"),
        (r"memory='a\n\a'", r"2:8: memory needs a number, not 'a\n\x07'"),
        (
            "on_crash='die'",
            "2:10: invalid on_crash 'die'; choose from: destroy, restart, rename-restart, preserve, "
            "coredump-destroy, coredump-restart, soft-reset",
        ),
    ],
)
def test_a_value_that_is_none(text: str, want: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(text)
    assert str(caught.value) == f"g.cfg:{want}"


@pytest.mark.parametrize("text", ["memory=64\n", "name=''"])
def test_a_guest_has_a_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^g\.cfg: has no name"):
        config_from_text(text, "g.cfg")


def test_an_error_on_the_command_line_says_so() -> None:
    with pytest.raises(ConfigError, match=r"^'memory=x':1:8: found a name \(x\), expected"):
        config("", "memory=x")


@settings(max_examples=examples(300))
@given(st.text("0123456789xXaAfFgG+- \t", max_size=8))
def test_a_number_is_one_where_it_is_to_xl(text: str) -> None:
    require(libxlu.library(), "libxlutil is not installed (Debian: libxenmisc4.17 or later)")
    theirs = libxlu.number(f"memory='{text}'\n".encode(), "memory")
    try:
        ours: int | None = config(f"memory='{text}'").memory // MIB
    except ConfigError as error:
        ours = int(error.reason.split()[2].rstrip(",")) if "must be from" in error.reason else None
    assert ours == theirs


# -- files -------------------------------------------------------------------------------------------------------


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "guest.cfg"
    path.write_bytes(b"name='\xff'\nkernel='Image'\n")
    got = read_config(path, assignments=["vcpus=2"])
    assert (got.path, got.name, got.kernel, got.vcpus) == (str(path), "\udcff", "Image", 2)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        read_config(tmp_path / "guest.cfg")
    path = tmp_path / "large.cfg"
    path.write_bytes(b"#" * (1 << 20))
    with pytest.raises(ImageError, match="limit"):
        read_config(path)


@pytest.mark.parametrize(
    ("head", "is_one"),
    [
        (b"name = 'g'\n", True),
        (b"# a guest\n\n  kernel='x'", True),
        (b"Name = 'g'\nkernel = 'x'\n", True),
        (b"a+=['x']", True),
        ("# für\nname='g'".encode(), True),
        (b"a=1" + b"\n" * 5000 + b"\0", True),
        (b"", False),
        (b"just text", False),
        (b"#!/bin/sh\nif [ a == b ]\n", False),
        (b"\x7fELF a=1\n", False),
        (b"MZ\0\0\na=1\n", False),
        (b"\x1f\x8b\x08\na=1", False),
    ],
)
def test_is_known_by_its_content(head: bytes, is_one: bool) -> None:
    assert looks_like_config(head) is is_one


def test_nothing_is_compiled_to_read_one() -> None:
    """No annotation in quotes is evaluated: the first one would load all types of Python's grammar."""
    code = (
        "import builtins, coldline.errors\n"
        "compile = builtins.compile\n"
        "def refuse(source, name, *rest, **others):\n"
        "    assert name != '<string>', source\n"
        "    return compile(source, name, *rest, **others)\n"
        "builtins.compile = refuse\n"
        "import coldline.guest.config as c; print(c.config_from_text('name=\"g\"', 'g.cfg').name)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "g\n"


def test_reading_needs_the_standard_library_alone() -> None:
    code = (
        "import sys, coldline.guest.config as c; c.config_from_text('name=\"g\"', 'g.cfg');"
        "print([m for m in sys.modules if m.partition('.')[0] in ('numpy', 'numba', 'rich', 'unicorn', 'libfdt')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
