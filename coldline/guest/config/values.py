# SPDX-License-Identifier: GPL-2.0-or-later
"""Converts settings of a configuration file to strings, numbers and enumerations.

Source: xen tools/libs/util/libxlu_cfg.c (4.17), xlu_cfg_get_string and xlu_cfg_get_bounded_long; tools/xl/xl_parse.c.
"""

import re
from collections.abc import Collection, Mapping, Sequence

from coldline.errors import ConfigError
from coldline.guest.config.syntax import ConfigList, ConfigSetting, ConfigString
from coldline.support.printable import one_line, shortened

_NUMBER = re.compile(r"[ \t\n\v\f\r]*+([+-]?)(?:0[xX]([0-9a-fA-F]++)|0([0-7]*+)|([1-9][0-9]*+))\Z")
"""A number that C's strtol accepts in base 0."""


class SettingReader:
    """Reads typed settings by key. Each method returns None for a missing key, and raises `ConfigError` for a bad
    value.

    Parameters
    ----------
    settings : mapping of str to ConfigSetting
        From `coldline.guest.config.syntax.parse`.
    """

    def __init__(self, settings: Mapping[str, ConfigSetting]) -> None:
        self.settings = settings

    def atom(self, name: str) -> ConfigString | None:
        """Return a single value, string or number."""
        setting = self.settings.get(name)
        if setting is None:
            return None
        if isinstance(setting.value, ConfigList):
            raise ConfigError(str(setting.value.place), f"{name} needs a single value, not a list")
        return setting.value

    def text(self, name: str) -> str | None:
        """Return a string."""
        atom = self.atom(name)
        return None if atom is None else atom.text

    def number(self, name: str, least: int, most: int) -> int | None:
        """Return a number from `least` to `most`."""
        atom = self.atom(name)
        if atom is None:
            return None
        if self.settings[name].added:
            raise ConfigError(str(self.settings[name].place), f"{name} is a number, which '+=' cannot extend")
        found = _NUMBER.match(atom.text) if len(atom.text) <= 64 else None
        if found is None:
            raise ConfigError(
                str(atom.place), f"{name} needs a number, not '{one_line(shortened(atom.text))}'"
            )
        sign, hexadecimal, octal, decimal = found.groups()
        value = (
            int(hexadecimal, 16) if hexadecimal else int(octal or "0", 8) if decimal is None else int(decimal)
        )
        value = -value if sign == "-" else value
        if not least <= value <= most:
            raise ConfigError(str(atom.place), f"{name} is {value}, but must be from {least} to {most}")
        return value

    def word(self, name: str, words: Sequence[str]) -> str | None:
        """Return a word of one of libxl's enumerations, which ignore case."""
        atom = self.atom(name)
        if atom is None:
            return None
        if atom.text.lower() not in words:
            raise self.unknown(name, atom, words)
        return None if atom.text.lower() == "unknown" else atom.text.lower()

    def unknown(self, name: str, atom: ConfigString, words: Collection[str]) -> ConfigError:
        """Return the error for an unknown word, which lists the possible ones."""
        return ConfigError(
            str(atom.place),
            f"invalid {name} '{one_line(shortened(atom.text))}'; choose from: {', '.join(words)}",
        )

    def by_prefix(self, name: str, words: dict[str, str]) -> str | None:
        """Return the meaning of the first word that starts with the value, as xl does."""
        atom = self.atom(name)
        if atom is None:
            return None
        for word, kind in words.items():
            if word.startswith(atom.text):
                return kind
        raise self.unknown(name, atom, words)
