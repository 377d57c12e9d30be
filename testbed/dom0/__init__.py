# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that runs in dom0, where it is ``/opt/coldline/testbed/dom0``: init, tests, measurements."""
