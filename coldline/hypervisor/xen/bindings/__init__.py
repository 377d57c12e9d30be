# SPDX-License-Identifier: GPL-2.0-or-later
"""Access to the system: Xen's libraries, coldline's driver, xenstore, and memory of this process.

Modules outside this folder use the protocols in `protocols`, and nothing here imports them.
"""
