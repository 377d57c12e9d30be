# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests, in a tree like that of ``coldline``. Helpers are in ``tools``, second implementations in ``oracles``."""
