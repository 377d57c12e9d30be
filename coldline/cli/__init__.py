# SPDX-License-Identifier: GPL-2.0-or-later
"""The command. A module a subcommand; what is heavy is imported as it is used."""

from coldline.cli.main import main

__all__ = ["main"]
