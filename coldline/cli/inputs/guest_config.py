# SPDX-License-Identifier: GPL-2.0-or-later
"""Fills in arguments that were not given: from the guest configuration file, if IMAGE is one, else with defaults."""

import argparse
import os
import stat
import sys
from typing import TYPE_CHECKING

from coldline.errors import ConfigError, UsageError
from coldline.support.units import MIB

if TYPE_CHECKING:
    from coldline.guest.config import GuestConfig

_DEFAULTS = {"vcpus": 1, "append": ""}

_HEAD = 64
"""Bytes."""


def fill_in(options: argparse.Namespace) -> None:
    """Fill in the arguments of a guest that were not given; warnings about the file go to standard error.

    The command line takes precedence over the file, and the file over the defaults. `from_config` says whether there
    was a file.

    Raises
    ------
    ConfigError
        If IMAGE is a guest configuration file that has an error or sets no kernel.
    UsageError
        If there are settings without such a file.
    """
    options.from_config = found = _is_config(options.image)
    if options.settings and not found:
        raise UsageError(
            f"'{options.settings[0]}' is a setting for a guest configuration file, and "
            + (f"{options.image} is not one" if options.image else "no IMAGE is given")
        )
    if found:
        from coldline.guest.config import read_config

        config = read_config(
            options.image,
            assignments=options.settings,
            used_keys=_honoured(options),
            refused_keys=_refused(options),
            for_xen=options.command == "create",
        )
        for remark in config.remarks:
            print(f"coldline: warning: {remark}", file=sys.stderr)
        _take(options, config)
    for name, value in _DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def _honoured(options: argparse.Namespace) -> frozenset[str]:
    from coldline.guest.config import LAUNCH_KEYS, PLAN_KEYS

    return LAUNCH_KEYS if options.command == "create" else PLAN_KEYS


def _refused(options: argparse.Namespace) -> frozenset[str]:
    """The keys without which a guest of Xen may not work. A simulated one has no such hardware in any case."""
    from coldline.guest.config import RESOURCE_KEYS

    return RESOURCE_KEYS if options.command == "create" and not options.lenient else frozenset()


def _take(options: argparse.Namespace, config: "GuestConfig") -> None:
    if config.kernel is None:
        raise ConfigError(config.path, 'sets no kernel = "FILE", and coldline has no bootloader')
    options.image = config.kernel
    asked: dict[str, object] = {
        "initrd": config.ramdisk,
        "append": config.cmdline,
        "memory": str(config.memory // MIB),
        "vcpus": config.maxvcpus,
        "gic": config.gic_version,
    }
    if options.command == "create":
        from coldline.cli.inputs.xen_settings import settings_of

        asked |= {"name": config.name, "vuart": config.vuart is not None, "uuid": config.uuid}
        asked |= settings_of(config)
    if options.dtb_only is None:
        asked["dtb"] = config.device_tree
    for name, value in asked.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def _is_config(path: str | None) -> bool:
    """Whether `path` is a guest configuration file. Only regular files are read: a pipe could not be read again."""
    if path is None:
        return False
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            if b"\0" in file.read(_HEAD):
                return False  # a kernel: return before the imports below, which only configuration files need
            from coldline.guest.config import looks_like_config
            from coldline.guest.config.syntax import MAX_CONFIG

            file.seek(0)
            return looks_like_config(file.read(MAX_CONFIG))
    except (OSError, ValueError):
        return False  # loading it as a kernel reports the error
