# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands that take a guest configuration file in place of an image."""

import json
import shutil
from pathlib import Path

import pytest

from coldline.samples import sample
from tests.helpers.command import ERROR, HAZARD, INCONCLUSIVE, MIDWAY, Cli


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a kernel and a configuration file for xl that names it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(sample("midway-arm64").image, tmp_path / "kernel")
    config("memory = 16\n")
    return tmp_path


def config(text: str) -> None:
    Path("guest.cfg").write_text(f"name = 'midway'\nkernel = 'kernel'\n{text}")


def plan(cli: Cli, *arguments: object) -> dict[str, object]:
    result = cli("boot", *arguments, "--until", "1", "--json")
    assert result.status == INCONCLUSIVE, result.err
    document = json.loads(result.out)
    return {key: document[key] for key in ("banks", "segments", "entry")}


def test_boots_what_the_file_names(folder: Path, cli: Cli) -> None:
    by_file = json.loads(cli("boot", "guest.cfg", "--strategy", "flush", "--json").out)
    by_hand = json.loads(cli(*MIDWAY, "--strategy", "flush", "--json").out)
    assert by_file.pop("image") == "kernel"
    for document in (by_file, by_hand):
        document.pop("seconds")
        for cause in document["causes"]:
            cause["identity"].pop("subject")
    by_hand.pop("image")
    assert by_file == by_hand
    assert cli("boot", "guest.cfg", "--strategy", "flush", "--quiet").status == HAZARD


def test_a_guest_of_a_file_is_one_of_xen(folder: Path, cli: Cli) -> None:
    """Whatever its image is: a raw one without such a file would be judged as a boot loader's."""
    place = ("--load", "0x40000000", "--entry", "0x40000000", "--arch", "arm64", "--until", "1", "--json")
    document = json.loads(cli("boot", "guest.cfg", *place).out)
    assert (document["format"], document["host"], document["host_by_default"]) == ("raw", "rfc", True)
    assert json.loads(cli("boot", folder / "kernel", *place).out)["host"] == "bootloader"


def test_the_file_comes_before_defaults_and_options_before_the_file(folder: Path, cli: Cli) -> None:
    assert plan(cli, "guest.cfg") == plan(cli, "kernel", "--memory", "16M")
    assert plan(cli, "guest.cfg", "--memory", "32M") == plan(cli, "kernel", "--memory", "32M")
    Path("initrd").write_bytes(b"i" * 5000)
    Path("other").write_bytes(b"o" * 9000)
    config("memory = 16; ramdisk = 'initrd'; vcpus = 2; maxvcpus = 3; extra = 'quiet'; gic_version = 'v2'")
    options = ["--memory", "16M", "--vcpus", "3", "--append", "quiet", "--gic", "2"]
    assert plan(cli, "guest.cfg") == plan(cli, "kernel", "--initrd", "initrd", *options)
    assert plan(cli, "guest.cfg", "--initrd", "other") == plan(cli, "kernel", "--initrd", "other", *options)
    assert plan(cli, "guest.cfg", "--append", "") != plan(cli, "guest.cfg")


def test_settings_behind_the_file_follow_it_wherever_they_are(folder: Path, cli: Cli) -> None:
    want = plan(cli, "kernel", "--memory", "32M", "--append", "a b")
    assert plan(cli, "guest.cfg", "memory=32", "extra='a'", "extra+=' b'") == want
    assert plan(cli, "guest.cfg", "memory=32", "--el", "1", "extra='a'", "extra+=' b'") == want


def test_what_is_not_honoured_is_a_line_each_on_standard_error(folder: Path, cli: Cli) -> None:
    config("memory = 16\nvif = ['bridge=br0']\n\nmemroy = 5 # there\n")
    result = cli("boot", "guest.cfg", "--until", "1", "--quiet")
    assert result.status == INCONCLUSIVE
    assert result.err.splitlines() == [
        "coldline: warning: guest.cfg:4:1: vif is ignored by coldline",
        "coldline: warning: guest.cfg:6:1: memroy is unknown, also to xl",
    ]


@pytest.mark.parametrize(
    ("text", "arguments", "want"),
    [
        ("memory = 'a lot'", (), "guest.cfg:3:10: memory needs a number, not 'a lot'"),
        (
            "memory = 16 vcpus = 2",
            (),
            "guest.cfg:3:13: found a name (vcpus), expected the end of the line or ';'",
        ),
        (
            "",
            ("memory=x",),
            "'memory=x':1:8: found a name (x), expected a string in quotes, a number or a list",
        ),
        ("kernel = 'gone'", (), "gone: cannot open the kernel: No such file or directory"),
    ],
)
def test_what_is_wrong_with_a_file(
    folder: Path, cli: Cli, text: str, arguments: tuple[str, ...], want: str
) -> None:
    config(text)
    result = cli("boot", "guest.cfg", *arguments)
    assert (result.status, result.err, result.out) == (ERROR, f"coldline: {want}\n", "")


def test_a_file_without_a_kernel(folder: Path, cli: Cli) -> None:
    Path("guest.cfg").write_text("name = 'midway'\nbootloader = 'pygrub'\n")
    assert cli("boot", "guest.cfg").err.splitlines() == [
        "coldline: warning: guest.cfg:2:1: bootloader is ignored by coldline",
        'coldline: guest.cfg: sets no kernel = "FILE", and coldline has no bootloader',
    ]


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("iomem = ['0xff000,1']", "iomem"),
        ("tee = 'optee'", "tee"),
    ],
)
def test_a_guest_of_xen_is_not_built_without_its_devices(
    folder: Path, cli: Cli, setting: str, name: str
) -> None:
    config(f"memory = 16\n{setting}\n")
    refused = cli("create", "guest.cfg")
    want = f"coldline: guest.cfg:4:1: coldline cannot give a guest {name}; --lenient builds it without\n"
    assert (refused.status, refused.err, refused.out) == (ERROR, want, "")
    warned = f"coldline: warning: guest.cfg:4:1: {name} is ignored by coldline"
    assert cli("create", "guest.cfg", "--lenient").err.splitlines()[0] == warned
    assert cli("plan", "guest.cfg").err.splitlines() == [warned]


@pytest.mark.parametrize(
    ("setting", "column", "name", "why"),
    [
        (
            "disk = ['/a,qcow2,xvda']",
            9,
            "disk",
            "format qcow2 needs QEMU as its backend, which coldline does not start",
        ),
        (
            "disk = [',hdc:cdrom']",
            9,
            "disk",
            "format empty needs QEMU as its backend, which coldline does not start",
        ),
        (
            "disk = ['/a,,xvda,backendtype=qdisk']",
            9,
            "disk",
            "backendtype qdisk is not that of dom0's kernel",
        ),
        ("disk = ['/a,,xvda,specification=virtio']", 9, "disk", "virtio needs a backend of its own"),
        ("vif = ['backend=net']", 8, "vif", "its backend is in another domain"),
    ],
)
def test_a_device_that_dom0s_kernel_does_not_serve(
    folder: Path, cli: Cli, setting: str, column: int, name: str, why: str
) -> None:
    config(f"memory = 16\n{setting}\n")
    at = f"guest.cfg:4:{column}"
    want = f"coldline: {at}: coldline cannot give a guest this {name}; --lenient builds it without: {why}\n"
    assert cli("create", "guest.cfg").err == want
    warned = f"coldline: warning: {at}: this {name} is ignored by coldline: {why}"
    assert cli("create", "guest.cfg", "--lenient").err.splitlines()[0] == warned


@pytest.mark.parametrize(
    ("setting", "want"),
    [
        ("disk = 'a'", "4:8: disk needs a list, not a single value"),
        ("disk = [['a']]", "4:9: disk needs a list of strings, not of lists"),
        ("disk = ['/a']", "4:9: disk '/a': no vdev, such as vdev=xvda"),
        ("vif = ['', 'mac=1']", "4:12: vif 'mac=1': '1' is no MAC address, such as 00:16:3e:00:00:01"),
    ],
)
def test_what_is_wrong_with_a_device(folder: Path, cli: Cli, setting: str, want: str) -> None:
    config(f"memory = 16\n{setting}\n")
    assert cli("create", "guest.cfg").err == f"coldline: guest.cfg:{want}\n"


def test_a_list_without_devices_is_not_refused(folder: Path, cli: Cli) -> None:
    config("memory = 16\ndisk = []\nvif = []\ntee = 'none'\n")
    assert "cannot give" not in cli("create", "guest.cfg").err


def test_settings_without_a_file(folder: Path, cli: Cli) -> None:
    result = cli("boot", "kernel", "memory=16")
    assert (result.status, result.err) == (
        ERROR,
        "coldline: 'memory=16' is a setting for a guest configuration file, and kernel is not one\n",
    )
    assert "unrecognized arguments: memory=16" in cli("rules", "memory=16").err
    assert "unrecognized arguments: stray" in cli("boot", "guest.cfg", "--el", "1", "stray").err
