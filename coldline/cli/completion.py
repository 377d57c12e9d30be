# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline completion``."""

import argparse
from importlib import resources
from typing import Final

FILES: Final = {"bash": "coldline.bash", "zsh": "_coldline", "fish": "coldline.fish"}
"""The file for each shell in ``coldline/completions``, with the name that the shell looks for."""


def run_completion(options: argparse.Namespace) -> int:
    """Print a shell's completions; return exit status 0."""
    file = resources.files("coldline").joinpath("completions", FILES[options.shell])
    print(file.read_text(encoding="utf-8"), end="")
    return 0
