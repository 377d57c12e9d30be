# SPDX-License-Identifier: GPL-2.0-or-later
"""Watches a machine that runs under QEMU: a plugin packs what each core does, and events are made of it."""

from coldline.frontends.qemu.agents import expected_agents
from coldline.frontends.qemu.command_line import CommandLine, read_command_line
from coldline.frontends.qemu.outcome import Watched
from coldline.frontends.qemu.watch import Watch

__all__ = ["CommandLine", "Watch", "Watched", "expected_agents", "read_command_line"]
