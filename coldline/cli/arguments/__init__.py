# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of each command, in modules by what the commands are for: `judging`, `showing` and `xen`.

A command's options are added by the function ``add_COMMAND`` of its module. Options that several commands share are
in `guest` and `formats`. Nothing is imported here but what ``--help`` shows.
"""
