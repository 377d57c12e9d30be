# SPDX-License-Identifier: GPL-2.0-or-later
"""What is AArch32's own about a run.

The emulator tells of no access to CP15. So each block of code is looked at the first time that it is entered, and
where it has an instruction that matters here, it is translated again with a callback before that instruction.
"""
