# SPDX-License-Identifier: GPL-2.0-or-later
"""xl's guest configuration files, with the syntax and meaning that xl gives them.

`lexer` and `syntax` parse a file, `keys` lists xl's keys, `values` converts settings, `disks` and `networks` parse
specifications of devices, `semantics` makes a `GuestConfig` of them.
"""

from typing import TYPE_CHECKING

from coldline.support.lazy_exports import lazily

if TYPE_CHECKING:
    from coldline.guest.config.disks import Disk
    from coldline.guest.config.keys import RESOURCE_KEYS
    from coldline.guest.config.networks import NetworkInterface, Rate
    from coldline.guest.config.semantics import (
        LAUNCH_KEYS,
        PLAN_KEYS,
        SHUTDOWN_ACTIONS,
        GuestConfig,
        config_from_text,
        looks_like_config,
        read_config,
    )
    from coldline.guest.config.syntax import MAX_CONFIG

__all__ = [
    "LAUNCH_KEYS",
    "MAX_CONFIG",
    "PLAN_KEYS",
    "RESOURCE_KEYS",
    "SHUTDOWN_ACTIONS",
    "Disk",
    "GuestConfig",
    "NetworkInterface",
    "Rate",
    "config_from_text",
    "looks_like_config",
    "read_config",
]

__getattr__ = lazily(
    __name__,
    {
        "disks": ("Disk",),
        "keys": ("RESOURCE_KEYS",),
        "networks": ("NetworkInterface", "Rate"),
        "semantics": (
            "SHUTDOWN_ACTIONS",
            "LAUNCH_KEYS",
            "PLAN_KEYS",
            "GuestConfig",
            "config_from_text",
            "looks_like_config",
            "read_config",
        ),
        "syntax": ("MAX_CONFIG",),
    },
)
