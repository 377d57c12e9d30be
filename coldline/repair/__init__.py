# SPDX-License-Identifier: GPL-2.0-or-later
"""The missing operation: which maintenance or barrier, put into a trace, makes a hazard impossible."""
