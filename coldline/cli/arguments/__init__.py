# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of each command, in a module for each kind of command: `judging`, `showing` and `xen`.

The function ``add_COMMAND`` of such a module adds a command's options. Options that several commands share are in
`guest`, `run`, `profile` and `formats`. These modules import only what ``--help`` needs.
"""
