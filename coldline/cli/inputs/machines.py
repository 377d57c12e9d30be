# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns arguments into the description of a machine."""

import argparse
import itertools
from collections.abc import Iterable, Sequence
from typing import Final

from coldline.cli.arguments.values import DEFAULT_MACHINE, DEFAULT_RAM, address, byte_size, size
from coldline.errors import UsageError
from coldline.guest.layout import AddressRange
from coldline.guest.machines import VIRT, ConstantRegisters, MachineLayout, SerialPort, machine_layout
from coldline.guest.serial_kinds import PL011_KIND, SERIAL_KINDS
from coldline.support.frozen_record import replace
from coldline.support.units import KIB, PAGE_SIZE

_PHYSICAL: Final = 1 << 40
_MOST: Final = {"--ram": 4, "--uart": 16, "--mmio": 256}
_PRINTED: Final = 100


def machine_of(options: argparse.Namespace, tree: memoryview | None) -> MachineLayout:
    """Return the machine that the arguments describe.

    Parameters
    ----------
    options : argparse.Namespace
        The arguments.
    tree : memoryview or None
        The bytes of ``--dtb-only``.

    Raises
    ------
    ColdlineError
        If an argument or the tree is wrong.
    """
    for name, most in _MOST.items():
        given = getattr(options, name[2:])
        if len(given) > most:
            raise UsageError(f"{name} is given {len(given)} times; {most} is the most")
    if options.ram and options.memory is not None:
        raise UsageError("--ram says where RAM is and how large, so --memory cannot be used with it")
    machine = _before_changes(options, tree)
    ram = [_ram(text) for text in options.ram]
    registers = tuple(_registers(text) for text in options.mmio)
    _check_overlaps(
        itertools.chain(
            zip((f"--ram {text}" for text in options.ram), ram, strict=True),
            zip((f"--mmio {text}" for text in options.mmio), registers, strict=True),
        )
    )
    if ram:
        machine = replace(machine, ram=tuple(sorted(ram)))
    if options.uart:
        machine = replace(machine, serials=tuple(_uart(text) for text in options.uart))
    if options.mmio_default:
        machine = replace(machine, unknown_reads_zero=True)
    return replace(machine, registers=registers)


def memory_of(options: argparse.Namespace, machine: MachineLayout) -> int:
    """Return the size of RAM in bytes: that of ``--memory``, or if RAM is described, all of it."""
    described = not machine.compatible and options.machine is None and options.memory is None
    if options.ram or described:
        return sum(each.size for each in machine.ram)
    return size(options.memory or DEFAULT_RAM)


def _before_changes(options: argparse.Namespace, tree: memoryview | None) -> MachineLayout:
    """Return the machine that is named, or is in a device tree, or has nothing but the described RAM."""
    if options.machine is not None:
        return machine_layout(options.machine)
    if options.bios is not None:
        return VIRT
    if tree is not None and options.memory is None and not options.for_xen:
        from coldline.guest.tree_machine import describe_machine

        return describe_machine(options.dtb_only, tree, ram_is_given=bool(options.ram))
    if options.ram:
        return MachineLayout(name="custom", ram=())
    return machine_layout(DEFAULT_MACHINE)


def _range(option: str, text: str, parts: Sequence[str]) -> AddressRange:
    """Return the range of a base and a size, of which a bare number is in bytes here."""
    try:
        base, length = address(parts[0]), byte_size(parts[1])
    except (IndexError, argparse.ArgumentTypeError, UsageError) as error:
        raise UsageError(
            f"{option} takes BASE,SIZE, such as 0x40000000,512M, not '{text[:_PRINTED]}'"
        ) from error
    if not length:
        raise UsageError(f"{option} {text}: it is empty")
    if base + length > _PHYSICAL:
        raise UsageError(f"{option} {text}: it ends above the physical address space, at {_PHYSICAL:#x}")
    return AddressRange(base, length)


def _ram(text: str) -> AddressRange:
    base, length = ram = _range("--ram", text, text.split(","))
    if text.count(",") != 1 or base % PAGE_SIZE or length % PAGE_SIZE:
        raise UsageError(
            f"--ram {text[:_PRINTED]}: base and size must be multiples of {PAGE_SIZE // KIB} KiB"
        )
    return ram


def _registers(text: str) -> ConstantRegisters:
    where, equals, value = text.partition("=")
    base, length = _range("--mmio", text, where.split(","))
    try:
        word = address(value) if equals else 0
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--mmio {text[:_PRINTED]}: '{value[:_PRINTED]}' is not a number") from error
    if where.count(",") != 1 or word >= 1 << 32:
        raise UsageError(f"--mmio takes BASE,SIZE or BASE,SIZE=VALUE of 32 bits, not '{text[:_PRINTED]}'")
    return ConstantRegisters(base, length, word)


def _uart(text: str) -> SerialPort:
    kind, comma, base = text.partition(",")
    if kind not in SERIAL_KINDS or not comma:
        known = ", ".join(SERIAL_KINDS)
        raise UsageError(f"--uart takes KIND,ADDRESS, not '{text[:_PRINTED]}'; the kinds are: {known}")
    length = PAGE_SIZE if kind == PL011_KIND else 256
    try:
        return SerialPort(kind, *_range("--uart", text, (base, str(length))))
    except UsageError as error:
        raise UsageError(
            f"--uart {text[:_PRINTED]}: '{base[:_PRINTED]}' is not a physical address"
        ) from error


def _check_overlaps(described: Iterable[tuple[str, AddressRange | ConstantRegisters]]) -> None:
    in_order = sorted(described, key=lambda each: each[1].base)
    for (lower, below), (upper, above) in itertools.pairwise(in_order):
        if above.base < below.end:
            raise UsageError(f"{lower} and {upper} overlap")
