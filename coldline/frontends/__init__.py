# SPDX-License-Identifier: GPL-2.0-or-later
"""Front ends, which run or observe code and hand over its memory accesses as events."""
