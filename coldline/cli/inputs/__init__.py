# SPDX-License-Identifier: GPL-2.0-or-later
"""What arguments name: the guest, the machine, the host, the domain's settings, and the trial of them all."""
