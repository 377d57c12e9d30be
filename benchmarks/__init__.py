# SPDX-License-Identifier: GPL-2.0-or-later
"""What coldline costs, against what the machine can do and against other tools: each file is a program."""
