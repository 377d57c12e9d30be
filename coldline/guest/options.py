# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's choices for a guest."""

from typing import TYPE_CHECKING

from coldline.guest.devicetree import XenPlatform
from coldline.guest.machines import XENVM, MachineLayout
from coldline.support.frozen_record import Record, field

if TYPE_CHECKING:
    from coldline.image import FileBytes


class GuestOptions(Record, kw_only=True):
    """The user's choices for a guest: the input of a plan, with the kernel.

    Attributes
    ----------
    memory : int
        Bytes of RAM, in whole 4 KiB pages.
    vcpus : int
        1 to 8 with a GICv2, 1 to 128 (on QEMU's machine 123) with a GICv3.
    bootargs : str
        The kernel's command line.
    exception_level : int
        The exception level at which the kernel starts: 1 or 2; on arm32 1, for Supervisor mode.
    gic_version : int or None
        2 or 3; None for 2 on arm32, else the machine's default.
    core_compatible : str or None
        ``compatible`` of a core, such as ``arm,cortex-a72``; None for ``arm,armv8``, or ``arm,cortex-a15`` on arm32.
    initrd : memoryview, FileBytes or None
        The initrd; replaces one in the kernel's file.
    device_tree : memoryview or None
        The user's device tree, used instead of one in the kernel's file or the generated one. A copy of it gets
        `bootargs` (if not empty), `initrd` and `memory` of these options.
    device_tree_path : str
        Its file, for messages.
    partial_tree : memoryview or None
        A partial device tree, as in xl's ``device_tree``: its /passthrough and /aliases are merged into the generated
        tree, which is then used even if the kernel's file has one.
    partial_tree_path : str
        Its file, for messages.
    serial : bool
        Whether the generated tree has a PL011 as the console; on Xen that is the virtual UART.
    rng_seed : bytes
        Random bytes for the kernel, in the generated tree.
    xen : XenPlatform or None
        The Xen that it will run on, which the generated tree names, so that the guest makes hypercalls.
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
        """The GIC's version, with the default applied."""
        return self.layout.gic_version if self.gic_version is None else self.gic_version
