# SPDX-License-Identifier: GPL-2.0-or-later
"""Front ends: what runs or observes code and hands its memory accesses over as events."""
