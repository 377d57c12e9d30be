# SPDX-License-Identifier: GPL-2.0-or-later
"""Plans guests: memory layout, device tree and first registers.

`make_plan` makes a `Plan` of a kernel and `GuestOptions`. Everything here is pure: no plan touches a hypervisor.
"""

from typing import TYPE_CHECKING

from coldline.support.lazy_exports import lazily

if TYPE_CHECKING:
    from coldline.guest.devicetree import XenPlatform
    from coldline.guest.machines import MACHINES, MachineLayout, machine_layout
    from coldline.guest.options import GuestOptions
    from coldline.guest.plan import Bank, Plan, Registers, Segment
    from coldline.guest.planner import make_plan
    from coldline.guest.user_device_tree import MAX_DEVICE_TREE, check_device_tree

__all__ = [
    "MACHINES",
    "MAX_DEVICE_TREE",
    "Bank",
    "GuestOptions",
    "MachineLayout",
    "Plan",
    "Registers",
    "Segment",
    "XenPlatform",
    "check_device_tree",
    "machine_layout",
    "make_plan",
]

__getattr__ = lazily(
    __name__,
    {
        "devicetree": ("XenPlatform",),
        "machines": (
            "MACHINES",
            "MachineLayout",
            "machine_layout",
        ),
        "options": ("GuestOptions",),
        "plan": (
            "Bank",
            "Plan",
            "Registers",
            "Segment",
        ),
        "planner": ("make_plan",),
        "user_device_tree": (
            "MAX_DEVICE_TREE",
            "check_device_tree",
        ),
    },
)
