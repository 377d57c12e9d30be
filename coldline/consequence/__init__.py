# SPDX-License-Identifier: GPL-2.0-or-later
"""The consequence of a hazard: what the guest does with the old bytes that the architecture allows."""
