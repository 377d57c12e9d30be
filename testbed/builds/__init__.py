# SPDX-License-Identifier: GPL-2.0-or-later
"""What is built from source for dom0: the driver, the kernel's privcmd, Xen's tools."""
