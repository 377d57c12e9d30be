# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest as asked for."""

from typing import TYPE_CHECKING

from coldline.guest.devicetree import XenPlatform
from coldline.guest.machines import XENVM, MachineLayout
from coldline.support.record import Record, field

if TYPE_CHECKING:
    from coldline.image import FileBytes


class GuestOptions(Record, kw_only=True):
    """A guest as asked for.

    Attributes
    ----------
    memory : int
        Bytes of RAM, in whole 4 KiB pages.
    vcpus : int
        1 to 8 with a GICv2, 1 to 128 (on QEMU's machine 123) with a GICv3.
    bootargs : str
        The kernel's command line.
    exception_level : int
        Where the kernel starts: 1 or 2; an arm32 one at 1, in Supervisor mode.
    gic_version : int or None
        2 or 3; None for 2 on arm32, and else for the machine's own.
    core_compatible : str or None
        What the device tree calls a core: ``arm,cortex-a72``. None is ``arm,armv8``, or ``arm,cortex-a15`` on arm32.
    initrd : memoryview, FileBytes or None
        What the kernel gets as its initrd, in place of one that came with it.
    device_tree : memoryview or None
        The user's own device tree, checked again here, in place of one that came with the kernel or is written
        from the options above; of them `bootargs` (where it is not empty), `initrd` and `memory` are put into a
        copy of it.
    device_tree_path : str
        Where that came from, for messages.
    partial_tree : memoryview or None
        A partial device tree, as in xl's ``device_tree``: its /passthrough and /aliases go into the tree that is
        written from the options above, also where another came with the kernel.
    partial_tree_path : str
        Where that came from, for messages.
    serial : bool
        Whether the tree that is written has a PL011, as the console: on Xen, what its virtual UART is.
    rng_seed : bytes
        Random bytes for the kernel, which the tree that is written then has.
    xen : XenPlatform or None
        The Xen that it is for, which the tree that is written then names: its guest makes hypercalls.
    layout : MachineLayout
        The machine that the guest is built for.
    in_flash : bool
        Whether the kernel is firmware, which starts in the machine's flash.
    """

    memory: int
    vcpus: int = 1
    bootargs: str = ""
    exception_level: int = 1
    gic_version: int | None = None
    core_compatible: str | None = None
    initrd: "memoryview | FileBytes | None" = field(default=None, repr=False)
    device_tree: memoryview | None = field(default=None, repr=False)
    device_tree_path: str = "device tree"
    partial_tree: memoryview | None = field(default=None, repr=False)
    partial_tree_path: str = "partial device tree"
    serial: bool = True
    rng_seed: bytes = field(default=b"", repr=False)
    xen: XenPlatform | None = None
    layout: MachineLayout = XENVM
    in_flash: bool = False

    @property
    def gic(self) -> int:
        """The GIC's version."""
        return self.layout.gic_version if self.gic_version is None else self.gic_version
