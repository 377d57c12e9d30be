# SPDX-License-Identifier: GPL-2.0-or-later
"""Small modules that only support the others: files, text, memory, records. They know of no other package."""
