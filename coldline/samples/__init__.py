# SPDX-License-Identifier: GPL-2.0-or-later
"""Small guests that come with coldline, each a demonstration of one behaviour.

A sample is a folder here with its source (``guest.S``, whose head comment says how to build it) and the image
assembled from it (``guest.Image``, on arm32 ``guest.zImage``).
"""

from dataclasses import dataclass
from pathlib import Path

from coldline.errors import UsageError
from coldline.support.choices import choices

__all__ = ["SAMPLES", "Sample", "sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A guest that comes with coldline.

    Attributes
    ----------
    name : str
        Its name, and the name of its folder.
    architecture : str
        ``arm64`` or ``arm32``.
    summary : str
        What it demonstrates, in one line.
    """

    name: str
    architecture: str
    summary: str

    @property
    def image(self) -> Path:
        """The kernel image."""
        return self._folder / {"arm64": "guest.Image", "arm32": "guest.zImage"}[self.architecture]

    @property
    def source(self) -> Path:
        """The assembly that the image was built from."""
        return self._folder / "guest.S"

    @property
    def _folder(self) -> Path:
        return Path(__file__).parent / self.name


SAMPLES: dict[str, Sample] = {
    each.name: each
    for each in (
        Sample(
            "midway-arm64",
            "arm64",
            "overwrites what its loader wrote with the MMU off, then looks again through the caches",
        ),
        Sample(
            "midway-arm32",
            "arm32",
            "the same for Armv7, as a zImage that moves part of itself",
        ),
    )
}
"""Every sample, by name."""


def sample(name: str) -> Sample:
    """Return the sample called `name`.

    Raises
    ------
    UsageError
        If there is no such sample; the message lists the names.
    """
    try:
        return SAMPLES[name]
    except KeyError:
        raise UsageError(f"no sample is called '{name}'; {choices(name, sorted(SAMPLES))}") from None
