# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a plan of a kernel and the user's options."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from coldline.errors import PlanError
from coldline.guest.boot_protocol import PROTOCOLS, BootProtocol
from coldline.guest.devicetree import MachineDescription, build_device_tree
from coldline.guest.firmware import plan_firmware
from coldline.guest.free_ram import place_guest
from coldline.guest.kernel_segments import kernel_base, kernel_reason, kernel_segments
from coldline.guest.layout import AddressRange, exact_size_text, round_up
from coldline.guest.options import GuestOptions
from coldline.guest.partial_device_tree import PartialTree
from coldline.guest.placement import MIN_MEMORY, check_segments, place_banks
from coldline.guest.plan import Bank, Plan, Segment
from coldline.guest.reasons import Reason
from coldline.guest.registers import first_registers
from coldline.guest.user_device_tree import MAX_DEVICE_TREE, with_chosen
from coldline.support.frozen_record import replace
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.image import FileBytes, Kernel


def make_plan(kernel: "Kernel", options: GuestOptions) -> Plan:
    """Plan a guest, without any effect on the system.

    Parameters
    ----------
    kernel : Kernel
        From `coldline.image.load_kernel`; for firmware, raw bytes for the start of the flash.
    options : GuestOptions
        The user's options.

    Raises
    ------
    PlanError
        If an option is out of range, or something does not fit into the guest's RAM.
    ImageError
        If the user's device tree is malformed, or a partial one cannot be merged.
    """
    protocol = PROTOCOLS[kernel.architecture]
    options = _with_kernels_own(options, kernel)
    if options.gic_version is None:
        default = options.layout.gic_version and protocol.gic_version
        options = replace(options, gic_version=default or options.layout.gic_version)
    _check(protocol, options, fixed=kernel.fixed)
    options = replace(options, layout=replace(options.layout, gic_version=options.gic))
    least = MIN_MEMORY if options.layout.compatible else PAGE_SIZE
    banks = place_banks(options.memory, options.layout.ram, least)
    if not options.layout.compatible and options.device_tree is None:
        return _plan_without_tree(kernel, options, banks)
    write_tree = _tree_writer(protocol, banks, options)
    if options.in_flash:
        return plan_firmware(kernel, options, banks, write_tree(None))
    initrd_size = None if options.initrd is None else options.initrd.nbytes

    # The tree names the initrd's address, which depends on the tree's size, which depends on no address.
    dtb_size = len(write_tree(None if initrd_size is None else AddressRange(0, initrd_size)))
    if dtb_size > MAX_DEVICE_TREE:
        raise PlanError(
            f"dtb ({exact_size_text(dtb_size)}) is too large: {protocol.architecture} Linux accepts up to "
            f"{exact_size_text(MAX_DEVICE_TREE)}"
        )
    base, at = place_guest(kernel, banks, protocol, initrd_size=initrd_size, dtb_size=dtb_size)
    moved = base > banks[0].base
    segments = kernel_segments(kernel.pieces, base, kernel_reason(kernel, moved=moved))
    initrd = None
    if options.initrd is not None and at.initrd is not None:
        initrd = AddressRange(at.initrd, options.initrd.nbytes)
        segments.append(_segment("initrd", at.initrd, options.initrd, initrd.size, at.reason))
    dtb = write_tree(initrd)
    segments.append(_segment("dtb", at.dtb, memoryview(dtb), len(dtb), at.dtb_reason))
    segments.sort(key=lambda segment: segment.address)
    check_segments(banks, segments)
    return Plan(
        architecture=kernel.architecture,
        banks=banks,
        segments=tuple(segments),
        registers=first_registers(
            architecture=kernel.architecture,
            entry=base + kernel.entry,
            dtb=at.dtb,
            exception_level=options.exception_level,
        ),
        exception_level=options.exception_level,
        layout=options.layout,
        vcpus=options.vcpus,
    )


def _plan_without_tree(kernel: "Kernel", options: GuestOptions, banks: tuple[Bank, ...]) -> Plan:
    """Plan a program on a machine that has no device tree."""
    given = {"an initrd": options.initrd is not None, "a command line": bool(options.bootargs)}
    needs = ["a kernel"] if not kernel.fixed else [name for name, has in given.items() if has]
    if needs:
        raise PlanError(
            f"{needs[0]} needs a device tree, and none is given for machine {options.layout.name}"
        )
    segments = kernel_segments(kernel.pieces, kernel_base(kernel, banks), Reason.FIXED)
    check_segments(banks, segments)
    first = first_registers(
        architecture=kernel.architecture, entry=kernel.entry, dtb=0, exception_level=options.exception_level
    )
    return Plan(
        architecture=kernel.architecture,
        banks=banks,
        segments=tuple(segments),
        registers=first,
        exception_level=options.exception_level,
        layout=options.layout,
        vcpus=options.vcpus,
    )


def _with_kernels_own(options: GuestOptions, kernel: "Kernel") -> GuestOptions:
    """Return `options` with the initrd and device tree of the kernel's file where the user gave none."""
    if options.initrd is None and kernel.initrd is not None:
        options = replace(options, initrd=kernel.initrd)
    own_tree = options.device_tree is not None or options.partial_tree is not None
    if not own_tree and kernel.device_tree is not None:
        options = replace(options, device_tree=kernel.device_tree, device_tree_path=kernel.path)
    return options


def _segment(name: str, address: int, data: "memoryview | FileBytes", size: int, reason: Reason) -> Segment:
    return Segment(name=name, address=address, data=data, size=round_up(size, PAGE_SIZE), reason=reason)


def _tree_writer(
    protocol: BootProtocol, banks: tuple[Bank, ...], options: GuestOptions
) -> Callable[[AddressRange | None], bytes]:
    """Return a function that makes the guest's device tree for a given place of the initrd."""
    bootargs = _encode_bootargs(protocol, options.bootargs)
    given = options.device_tree
    partial = None
    if options.partial_tree is not None:
        partial = PartialTree(options.partial_tree_path, options.partial_tree)

    def write(initrd: AddressRange | None) -> bytes:
        if given is not None:
            return with_chosen(options.device_tree_path, given, banks=banks, bootargs=bootargs, initrd=initrd)
        tree = build_device_tree(
            MachineDescription(
                banks=banks,
                vcpus=options.vcpus,
                core_compatible=options.core_compatible or protocol.core,
                gic_version=options.gic,
                exception_level=options.exception_level,
                bootargs=bootargs,
                initrd=initrd,
                serial=options.serial,
                rng_seed=options.rng_seed,
                xen=options.xen,
                timer=protocol.timer,
                layout=options.layout,
            )
        )
        return tree if partial is None else partial.merge(tree)

    return write


def _check(protocol: BootProtocol, options: GuestOptions, *, fixed: bool) -> None:
    what = "program" if fixed else "kernel"
    can = protocol.program_levels if fixed else protocol.exception_levels
    if options.exception_level not in can:
        levels = " or ".join(str(level) for level in can)
        raise PlanError(
            f"exception level {options.exception_level}: an {protocol.architecture} {what} starts at {levels}"
        )
    if options.layout.gic_version and options.gic not in (2, 3):
        raise PlanError(f"invalid GIC version {options.gic}; choose from: 2, 3")
    if not options.layout.gic_version and options.gic:
        raise PlanError(f"GIC version {options.gic}: machine {options.layout.name} has no GIC to choose")
    most = options.layout.max_vcpus(options.gic)
    if not 1 <= options.vcpus <= most:
        what = f"a GICv{options.gic}" if options.gic else f"machine {options.layout.name}"
        raise PlanError(f"{options.vcpus} vCPUs: {what} supports 1 to {most}")
    if options.device_tree is not None and options.partial_tree is not None:
        raise PlanError(
            f"{options.partial_tree_path} would be merged into the generated device tree, but "
            f"{options.device_tree_path} replaces that"
        )
    if options.initrd is not None and not options.initrd.nbytes:
        raise PlanError("initrd is empty")
    core = options.core_compatible or protocol.core
    if not core.isascii() or not core.isprintable():
        raise PlanError(f"invalid core {core!r}: it must be printable ASCII for a device tree")


def _encode_bootargs(protocol: BootProtocol, bootargs: str) -> bytes:
    """Return the command line's bytes; bytes that Python could not decode are restored."""
    try:
        encoded = bootargs.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise PlanError(f"bootargs cannot be encoded: {error}") from error
    if b"\0" in encoded:
        raise PlanError(f"bootargs have a NUL at byte {encoded.index(0)}")
    if len(encoded) > protocol.max_bootargs:
        raise PlanError(
            f"bootargs are {len(encoded)} bytes; {protocol.architecture} Linux accepts {protocol.max_bootargs}"
        )
    return encoded
