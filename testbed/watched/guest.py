# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest that dom0 builds in a watched machine: files for dom0, and its configuration."""

import shutil
from pathlib import Path
from typing import Final

from coldline.builder import STRATEGIES as ALL
from coldline.errors import UsageError
from coldline.guest.config.syntax import ConfigString, parse

__all__ = ["KIND", "NAME", "STRATEGIES", "XL", "write_guest"]

XL: Final = "xl"
STRATEGIES: Final = tuple(ALL)
"""The builders: xl, and strategies of coldline's."""

KIND: Final = {"arm64": "arm64", "armhf": "arm32"}
"""coldline's names for what dom0 and its guests are, by Debian's."""

NAME: Final = "watched"
"""The guest's name on Xen."""

_DEFAULT: Final = 'memory = 64\nvcpus = 1\nextra = "console=hvc0 rdinit=/init loglevel=4"\n'
_PLACE: Final = "/host/guest"
_FILES: Final = {"kernel": "kernel", "ramdisk": "initrd"}
"""xl's keys of files that are loaded, and the names that these get."""


def write_guest(folder: Path, configuration: Path | None) -> None:
    """Write a guest's configuration for dom0, and its files next to it.

    Parameters
    ----------
    folder : Path
        Dom0's ``/host/guest``, with a Linux guest in ``kernel`` and ``initrd``.
    configuration : Path, optional
        xl's configuration file of another guest. Paths in it are relative to its folder.

    Raises
    ------
    UsageError
        If it has no kernel, or a file of it cannot be read.
    ConfigError
        If it is not one of xl's.
    """
    text, named = _DEFAULT, dict.fromkeys(_FILES, "")
    if configuration is not None:
        text = configuration.read_text() + "\n"
        settings = parse(text, str(configuration)).settings
        for key, target in _FILES.items():
            (folder / target).unlink(missing_ok=True)
            value = settings[key].value if key in settings else None
            if isinstance(value, ConfigString):
                _copy(configuration.parent / value.text, folder / target)
            else:
                del named[key]
        if "kernel" not in named:
            raise UsageError(f"{configuration}: a guest to watch needs a kernel")
    # of several assignments, xl takes the last one
    text += f'name = "{NAME}"\n' + "".join(f'{key} = "{_PLACE}/{_FILES[key]}"\n' for key in named)
    (folder / "guest.cfg").write_text(text)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copy(source, target)
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}") from error
