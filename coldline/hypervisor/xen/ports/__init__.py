# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways out of the process: Xen's libraries, coldline's driver, xenstore, and memory that is mapped."""
