# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures coldline's time and memory, beside the machine's limits and other tools. Each module is a program."""
