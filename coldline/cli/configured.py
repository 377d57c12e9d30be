# SPDX-License-Identifier: GPL-2.0-or-later
"""What the arguments leave open: from a guest configuration file, where the IMAGE is one, or as ever."""

import argparse
import os
import stat
import sys
from typing import TYPE_CHECKING

from coldline.errors import ConfigError, UsageError
from coldline.guest.layout import MIB

if TYPE_CHECKING:
    from coldline.guest.config import GuestConfig

_DEFAULTS = {"memory": "256M", "vcpus": 1, "append": ""}

_HEAD = 64
"""Bytes."""


def settle(options: argparse.Namespace) -> None:
    """Fill in what the arguments of a guest leave open; what the user should know of a file goes to standard error.

    What is on the command line comes before what is in the file, and that before what is by default.

    Raises
    ------
    ConfigError
        If the IMAGE is a guest configuration file and not in order, or names no kernel.
    UsageError
        If there are settings without such a file.
    """
    found = _is_config(options.image)
    if options.settings and not found:
        raise UsageError(
            f"'{options.settings[0]}' goes behind a guest configuration file, and "
            + (f"{options.image} is none" if options.image else "there is none")
        )
    if found:
        from coldline.guest.config import read_config

        config = read_config(options.image, assignments=options.settings, honoured=_honoured(options))
        for remark in config.remarks:
            print(f"coldline: warning: {remark}", file=sys.stderr)
        _take(options, config)
    for name, value in _DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def _honoured(options: argparse.Namespace) -> frozenset[str]:
    from coldline.guest.config import PLANNED

    return PLANNED | {"uuid"} if options.command == "create" else PLANNED


def _take(options: argparse.Namespace, config: "GuestConfig") -> None:
    if config.kernel is None:
        raise ConfigError(config.path, 'names no kernel: kernel = "FILE"; there is no bootloader here')
    options.image = config.kernel
    asked: dict[str, object] = {
        "initrd": config.ramdisk,
        "append": config.cmdline,
        "memory": str(config.memory // MIB),
        "vcpus": config.maxvcpus,
        "gic": config.gic_version,
    }
    if options.command == "create":
        asked |= {"name": config.name, "vuart": config.vuart is not None, "uuid": config.uuid}
    if options.dtb_only is None:
        asked["dtb"] = config.device_tree
    for name, value in asked.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def _is_config(path: str | None) -> bool:
    """Whether there is a regular file with the content of one: reading from a pipe would take its bytes away."""
    if path is None:
        return False
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            if b"\0" in file.read(_HEAD):
                return False  # as kernels start, for which nothing more is loaded
            from coldline.guest.config import looks_like_config
            from coldline.guest.config.syntax import MAX_CONFIG

            file.seek(0)
            return looks_like_config(file.read(MAX_CONFIG))
    except (OSError, ValueError):
        return False  # whoever loads it says what is wrong
