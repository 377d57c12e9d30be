# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a run that are specific to AArch32.

The emulator has no callback for accesses to CP15. So each block of code is searched when it is first entered. If it
has an instruction that matters here, it is translated again with a callback before that instruction.
"""
