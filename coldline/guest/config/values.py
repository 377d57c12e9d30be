# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of a configuration file as values of a kind: strings, numbers, words of a list.

Source: xen tools/libs/util/libxlu_cfg.c (4.17), xlu_cfg_get_string and xlu_cfg_get_bounded_long; tools/xl/xl_parse.c.
"""

import re
from collections.abc import Collection, Mapping, Sequence

from coldline.errors import ConfigError
from coldline.guest.config.syntax import ConfigList, ConfigSetting, ConfigString
from coldline.support.printable import one_line, shortened

_NUMBER = re.compile(r"[ \t\n\v\f\r]*+([+-]?)(?:0[xX]([0-9a-fA-F]++)|0([0-7]*+)|([1-9][0-9]*+))\Z")
"""What C's strtol takes for a number in base 0, to the end."""


class SettingReader:
    """Settings by name; each method gives None where there is none, and raises a `ConfigError` that says where.

    Parameters
    ----------
    settings : mapping of str to ConfigSetting
        From `coldline.guest.config.syntax.parse`.
    """

    def __init__(self, settings: Mapping[str, ConfigSetting]) -> None:
        self.settings = settings

    def atom(self, name: str) -> ConfigString | None:
        """A single value, string or number; None where there is none."""
        setting = self.settings.get(name)
        if setting is None:
            return None
        if isinstance(setting.value, ConfigList):
            raise ConfigError(str(setting.value.place), f"{name} takes a single value, not a list")
        return setting.value

    def text(self, name: str) -> str | None:
        """A string."""
        atom = self.atom(name)
        return None if atom is None else atom.text

    def number(self, name: str, least: int, most: int) -> int | None:
        """A number from `least` to `most`."""
        atom = self.atom(name)
        if atom is None:
            return None
        if self.settings[name].added:
            raise ConfigError(str(self.settings[name].place), f"{name} is a number: '+=' does not add to it")
        found = _NUMBER.match(atom.text) if len(atom.text) <= 64 else None
        if found is None:
            raise ConfigError(
                str(atom.place), f"{name} takes a number, not '{one_line(shortened(atom.text))}'"
            )
        sign, hexadecimal, octal, decimal = found.groups()
        value = (
            int(hexadecimal, 16) if hexadecimal else int(octal or "0", 8) if decimal is None else int(decimal)
        )
        value = -value if sign == "-" else value
        if not least <= value <= most:
            raise ConfigError(str(atom.place), f"{name} is {value}: from {least} to {most} is possible")
        return value

    def word(self, name: str, words: Sequence[str]) -> str | None:
        """One of libxl's enumerations, which take any case."""
        atom = self.atom(name)
        if atom is None:
            return None
        if atom.text.lower() not in words:
            raise self.unknown(name, atom, words)
        return None if atom.text.lower() == "unknown" else atom.text.lower()

    def unknown(self, name: str, atom: ConfigString, words: Collection[str]) -> ConfigError:
        """The error that says which words are possible."""
        return ConfigError(
            str(atom.place), f"{name} is '{one_line(shortened(atom.text))}': {', '.join(words)} are possible"
        )

    def by_prefix(self, name: str, words: dict[str, str]) -> str | None:
        """As xl: the first word that starts with what is written."""
        atom = self.atom(name)
        if atom is None:
            return None
        for word, kind in words.items():
            if word.startswith(atom.text):
                return kind
        raise self.unknown(name, atom, words)
