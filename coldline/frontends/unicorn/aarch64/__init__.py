# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a run that are specific to AArch64: registers, callbacks for instructions, exceptions."""
