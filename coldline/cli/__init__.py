# SPDX-License-Identifier: GPL-2.0-or-later
"""The command `coldline`: a module for each subcommand. Modules that are slow to import are imported when used."""

from coldline.cli.main import main

__all__ = ["main"]
