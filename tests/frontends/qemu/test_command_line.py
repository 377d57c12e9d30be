# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read from QEMU's command line, what is refused, and what is added. No QEMU is started."""

from pathlib import Path

import pytest

from coldline.cli.main import parser
from coldline.errors import ColdlineError, MissingDependencyError, QemuError, UsageError
from coldline.frontends.qemu import plugin
from coldline.frontends.qemu.command_line import CommandLine, check_release, read_command_line, rewritten
from coldline.support import cache_folder

QEMU = "qemu-system-aarch64"


@pytest.mark.parametrize(
    ("words", "ram", "vcpus"),
    [
        ("-M virt", (0x4000_0000, 128 << 20), 1),
        ("-machine type=virt,gic-version=3 -m 1G -smp 4", (0x4000_0000, 1 << 30), 4),
        ("-M virt-10.0 -m size=512M -smp cpus=2,maxcpus=8", (0x4000_0000, 512 << 20), 8),
        ("--machine virt -m 65536k -smp 2,sockets=2", (0x4000_0000, 64 << 20), 2),
        ("-M raspi3b -m 1024 -smp 4 -accel tcg", (0, 1 << 30), 4),
        ("-M midway -m 1024 -smp 2", (0, 1 << 30), 2),
    ],
)
def test_ram_and_vcpus(words: str, ram: tuple[int, int], vcpus: int) -> None:
    machine = read_command_line([QEMU, *words.split()])
    assert (machine.ram_base, machine.ram_size) == ram
    assert machine.vcpus == vcpus


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "-M virt -enable-kvm",
            "QEMU's -enable-kvm cannot be watched: KVM runs code that a plugin does not see",
        ),
        ("-M virt -accel kvm", "QEMU's -accel kvm cannot be watched: only tcg can"),
        ("-M virt,accel=kvm:tcg", "QEMU's -accel kvm cannot be watched: only tcg can"),
        ("-M virt -accel tcg,thread=multi", "QEMU's thread=multi cannot be watched: vCPUs need one order"),
        ("-M virt --daemonize", "QEMU's -daemonize cannot be watched: its end could not be seen"),
        (
            "-M virt -loadvm x",
            "QEMU's -loadvm cannot be watched: caches at a state that was saved are not known",
        ),
        ("-M virt -incoming tcp:0", "QEMU's -incoming cannot be watched"),
        ("-M virt,memory-backend=x", "QEMU's memory-backend cannot be watched"),
        ("-M virt -m 1G,slots=2", "QEMU's -m with slots cannot be watched"),
        ("-M virt -m much", "-m 'much' is not a size"),
        ("-M virt -m", "QEMU's -m lacks its value"),
        ("-M virt -smp 65", "-smp 65: from 1 to 64 vCPUs can be watched"),
        ("-M sbsa-ref", "machine 'sbsa-ref' cannot be watched: where its RAM is, is not known"),
        ("-kernel x", "the command line has no -machine (-M), such as -M virt"),
    ],
)
def test_what_is_refused(words: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_command_line([QEMU, *words.split()])
    assert str(caught.value).startswith(reason)


def test_other_programs_are_refused() -> None:
    expected = "'qemu-system-riscv64' cannot be watched: only qemu-system-aarch64 and qemu-system-arm can"
    with pytest.raises(UsageError, match=expected):
        read_command_line(["qemu-system-riscv64", "-M", "virt"])


def test_what_is_added() -> None:
    machine = read_command_line(
        [QEMU, *["-M", "virt,gic-version=3", "-m", "64", "-accel", "tcg", "-kernel", "-m"]]
    )
    words = rewritten(machine, ram="/ram", plugin="p.so,ring=/ring")
    assert words[1:3] == ["-machine", "virt,gic-version=3,memory-backend=coldline-ram"]
    assert "memory-backend-file,id=coldline-ram,size=67108864,mem-path=/ram,share=on" in words
    assert words[words.index("-accel") + 1] == "tcg,thread=single"
    assert words[words.index("-plugin") + 1] == "p.so,ring=/ring"
    assert words[-2:] == ["-kernel", "-m"]


def _program(folder: Path, script: str) -> str:
    path = folder / QEMU
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_releases(tmp_path: Path) -> None:
    assert check_release(_program(tmp_path, "echo QEMU emulator version 10.0.2 '(Debian)'")) == "10.0.2"
    with pytest.raises(QemuError) as caught:
        check_release(_program(tmp_path, "echo QEMU emulator version 7.2.22 '(Debian 1:7.2)'"))
    assert str(caught.value).endswith(
        "is release 7.2.22: to watch it takes 10.0 or later, whose plugins have interface 4; Debian 13 and Debian "
        "12's backports have it"
    )
    with pytest.raises(QemuError, match="--version: no such library"):
        check_release(_program(tmp_path, "echo no such library >&2; exit 1"))
    with pytest.raises(QemuError, match="not found, or not a program"):
        check_release(str(tmp_path / "absent"))


def test_the_plugin_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def compile_it(source: str) -> bytes:
        assert "#define COLDLINE_KIND_STORE 0x2ull" in source
        return b"machine code"

    monkeypatch.setattr(plugin, "_compiled", compile_it)
    assert plugin.plugin_code() == b"machine code"
    monkeypatch.setattr(plugin, "_compiled", None)
    assert plugin.plugin_code() == b"machine code"
    folder = cache_folder.folder()
    assert folder is not None
    (kept,) = folder.glob("plugin-*")
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(TypeError):  # it would be compiled again
        plugin.plugin_code()


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError) as caught:
        plugin.plugin_code()
    assert str(caught.value) == (
        "a plugin for QEMU has to be compiled once, and there is no C compiler (cc, gcc or clang): install gcc"
    )


def test_a_compiler_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho no space >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ColdlineError, match="cc cannot compile the plugin for QEMU: no space"):
        plugin.plugin_code()


def test_a_machine_has_its_words() -> None:
    assert read_command_line([QEMU, "-M", "virt", "-nographic", "-kernel", "x"]) == CommandLine(
        QEMU, ("-nographic", "-kernel", "x"), "virt", 0x4000_0000, 128 << 20, 1
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0x40000000,0x100000", (0x4000_0000, 1 << 20)),
        ("0x40000000,256M", (0x4000_0000, 256 << 20)),
        ("1073741824,4K", (1 << 30, 4 << 10)),
        ("0x40000000,1GiB", (0x4000_0000, 1 << 30)),
        ("0,0x4b", (0, 0x4B)),
        ("0,4096", (0, 4096)),
    ],
)
def test_ranges(text: str, expected: tuple[int, int]) -> None:
    options = parser("watch").parse_args(["watch", "--only", text, "--", QEMU])
    assert options.only == [expected]
