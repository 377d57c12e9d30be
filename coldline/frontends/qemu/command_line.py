# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line: what it says of the machine, what cannot be watched, and what has to be added."""

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from coldline.errors import QemuError, UsageError
from coldline.frontends.qemu.records import MAX_VCPUS, PLUGIN_VERSION

OLDEST: Final = (10, 0)
"""The oldest release of QEMU whose plugins can read values of stores and registers."""

PROGRAM: Final = "qemu-system-aarch64"
WATCHABLE: Final = (PROGRAM, "qemu-system-arm")
BACKEND: Final = "coldline-ram"
_GRANULE: Final = 1 << 12
_UNITS: Final = {"": 1 << 20, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}

_VIRT: Final = r"virt(-.*)?"
_SECURE: Final = ("secure=on", "secure=true", "secure=yes")
_SECURE_RAM: Final = (0x0E00_0000, 0x0100_0000)
"""Where a machine ``virt`` has RAM for Secure state (qemu hw/arm/virt.c, VIRT_SECURE_MEM, 10.0)."""

_RAM_BASES: Final = (
    (_VIRT, 0x4000_0000),
    (r"raspi\w*", 0),
    (r"xlnx-zcu102", 0),
    (r"imx8mp-evk", 0x4000_0000),
    (r"midway|highbank", 0),
)
"""Where machines have their RAM (qemu hw/arm/virt.c, bcm2836.c, xlnx-zynqmp.c, fsl-imx8mp.c, highbank.c, 10.0)."""

_REFUSED: Final = {
    "-enable-kvm": "KVM runs code that a plugin does not see",
    "-daemonize": "its end could not be seen",
    "-loadvm": "caches at a state that was saved are not known",
    "-incoming": "caches at a state that was saved are not known",
    "-readconfig": "the machine has to be on the command line",
    "-mem-path": "RAM has to be a file of coldline's own",
    "-numa": "RAM has to be one piece",
    "-runas": "QEMU would lose its files",
    "-chroot": "QEMU would lose its files",
}
_ACCELERATORS: Final = ("kvm", "xen", "hvf", "whpx", "nvmm", "qtest")
_VALUELESS: Final = (
    "-nographic", "-S", "-s", "-snapshot", "-no-reboot", "-no-shutdown", "-nodefaults", "-no-user-config",
    "-preconfig", "-full-screen", "-h", "-help", "-version", "-only-migratable",
)  # fmt: skip


class CommandLine(NamedTuple):
    """What a command line says of its machine.

    Attributes
    ----------
    program : str
        QEMU.
    words : tuple of str
        The command line without the options for RAM and the accelerator.
    board : str
        The value of ``-machine``.
    ram_base, ram_size : int
        RAM, in bytes.
    vcpus : int
        How many there are at the most.
    secure_ram : (int, int)
        The address and the size of RAM of its own for Secure state; (0, 0) if there is none.
    rom : str
        The file that is in flash memory from address 0 on; empty if none is known.
    """

    program: str
    words: tuple[str, ...]
    board: str
    ram_base: int
    ram_size: int
    vcpus: int
    secure_ram: tuple[int, int] = (0, 0)
    rom: str = ""


def read_command_line(command: Sequence[str]) -> CommandLine:
    """Read a command line of QEMU's.

    Raises
    ------
    UsageError
        If it has an option with which the machine cannot be watched, or the machine's RAM is not known.
    """
    if not command:
        raise UsageError(f"no command to watch: give one after --, such as -- {PROGRAM} -M virt …")
    program, *rest = command
    if Path(program).name not in WATCHABLE:
        raise UsageError(f"'{program}' cannot be watched: only {' and '.join(WATCHABLE)} can")
    kept: list[str] = []
    machine: list[str] = []
    size, vcpus = 128 << 20, 1
    words = iter(rest)
    for word in words:
        option = f"-{word.lstrip('-')}" if word.startswith("-") else word
        if option in _REFUSED:
            raise UsageError(f"QEMU's {option} cannot be watched: {_REFUSED[option]}")
        if option in ("-M", "-machine"):
            machine += _value(option, words).split(",")
        elif option in ("-accel", "-m"):
            value = _value(option, words)
            if option == "-m":
                size = _size(value)
            else:
                _check_accelerator(value)
        else:
            kept.append(word)
            if option == "-smp":
                kept.append(_value(option, words))
                vcpus = _vcpus(kept[-1])
            elif option.startswith("-") and option not in _VALUELESS:
                kept += [value for value in (next(words, None),) if value is not None]
    board = _board(machine)
    base = next((base for pattern, base in _RAM_BASES if re.fullmatch(pattern, board)), None)
    if base is None:
        raise UsageError(f"machine '{board}' cannot be watched: where its RAM is, is not known")
    if size % _GRANULE or not size:
        raise UsageError(f"-m {size}: RAM has to be whole pages")
    is_virt = re.fullmatch(_VIRT, board) is not None
    secure = _SECURE_RAM if is_virt and any(part in _SECURE for part in machine) else (0, 0)
    rom = _rom(kept) if is_virt else ""
    return CommandLine(program, tuple(kept), ",".join(machine), base, size, vcpus, secure, rom)


def _rom(words: Sequence[str]) -> str:
    """The file of the firmware that a machine ``virt`` has in flash memory, if it is one that can be read."""
    for option, value in itertools.pairwise(words):
        if option in ("-bios", "--bios", "-pflash", "--pflash") and Path(value).is_file():
            return value
    return ""


def _value(option: str, words: "Sequence[str] | object") -> str:
    value = next(words, None)  # type: ignore[call-overload]
    if value is None:
        raise UsageError(f"QEMU's {option} lacks its value")
    return str(value)


def _check_accelerator(value: str) -> None:
    first, *more = value.split(",")
    name = first.removeprefix("accel=")
    if name != "tcg":
        raise UsageError(f"QEMU's -accel {name} cannot be watched: only tcg can")
    if "thread=multi" in more:
        raise UsageError(
            "QEMU's thread=multi cannot be watched: vCPUs need one order, which thread=single gives"
        )


def _board(machine: Sequence[str]) -> str:
    board = ""
    for number, part in enumerate(machine):
        key, equals, value = part.partition("=")
        if key == "type":
            board = value
        elif number == 0 and not equals:
            board = part
        elif key == "accel":
            for name in value.split(":"):
                _check_accelerator(name)
        elif key == "memory-backend":
            raise UsageError(
                "QEMU's memory-backend cannot be watched: RAM has to be a file of coldline's own"
            )
    if not board:
        raise UsageError("the command line has no -machine (-M), such as -M virt")
    return board


def _size(value: str) -> int:
    parts = value.split(",")
    if any(part.startswith(("slots=", "maxmem=")) for part in parts):
        raise UsageError("QEMU's -m with slots cannot be watched: RAM has to be one piece")
    for part in parts:
        key, equals, number = part.partition("=")
        text = number if equals and key == "size" else part
        found = re.fullmatch(r"(\d{1,15})([bkmgt]?)", text.lower())
        if found:
            return int(found[1]) * _UNITS[found[2]]
    raise UsageError(f"-m '{value}' is not a size")


def _vcpus(value: str) -> int:
    counts = {"cpus": 1, "maxcpus": 0}
    for number, part in enumerate(value.split(",")):
        key, equals, text = part.partition("=")
        if not equals and number == 0:
            key, text = "cpus", part
        if key in counts and text.isascii() and text.isdigit():
            counts[key] = int(text[:9])
    most = max(counts.values())
    if not 0 < most <= MAX_VCPUS:
        raise UsageError(f"-smp {value}: from 1 to {MAX_VCPUS} vCPUs can be watched")
    return most


def check_release(program: str) -> str:
    """Return QEMU's release, such as ``10.0.2``.

    Raises
    ------
    QemuError
        If there is no such program, or it is too old.
    """
    path = shutil.which(program)
    if path is None:
        raise QemuError(f"{program}: not found, or not a program")
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QemuError(f"{program}: does not start: {error}") from error
    found = re.search(r"version ((\d+)\.(\d+)[.\d]*)", done.stdout)
    if found is None:
        complaint = next(iter((done.stderr or done.stdout).splitlines()), "says nothing")
        raise QemuError(f"{program} --version: {complaint}")
    if (int(found[2]), int(found[3])) < OLDEST:
        raise QemuError(
            f"{program} is release {found[1]}: to watch it takes 10.0 or later, whose plugins have interface "
            f"{PLUGIN_VERSION}; Debian 13 and Debian 12's backports have it"
        )
    return found[1]


def rewritten(machine: CommandLine, *, ram: str, plugin: str) -> list[str]:
    """Return the command line with RAM in a file, one thread for all vCPUs, and the plugin with its arguments."""
    backend = f"memory-backend-file,id={BACKEND},size={machine.ram_size},mem-path={ram},share=on"
    return [
        os.fspath(shutil.which(machine.program) or machine.program),
        "-machine", f"{machine.board},memory-backend={BACKEND}",
        "-object", backend,
        "-m", f"{machine.ram_size >> 10}k",
        "-accel", "tcg,thread=single",
        "-plugin", plugin,
        *machine.words,
    ]  # fmt: skip
