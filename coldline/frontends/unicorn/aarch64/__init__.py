# SPDX-License-Identifier: GPL-2.0-or-later
"""What is AArch64's own about a run: its registers, its instructions that the emulator tells of, its exceptions."""
