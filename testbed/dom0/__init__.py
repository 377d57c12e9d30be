# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs in dom0: its init, the tests, and what measures. There it is below ``/opt/coldline``, too."""
