# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers for all other packages: files, text, memory, records, units. They import only `coldline.errors`."""
