# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline completion``."""

import argparse
from importlib import resources
from typing import Final

FILES: Final = {"bash": "coldline.bash", "zsh": "_coldline", "fish": "coldline.fish"}
"""The file of each shell in ``coldline/completions``; the names are those that the shells look for."""


def run_completion(options: argparse.Namespace) -> int:
    """Print a shell's completions; exit status 0."""
    file = resources.files("coldline").joinpath("completions", FILES[options.shell])
    print(file.read_text(encoding="utf-8"), end="")
    return 0
