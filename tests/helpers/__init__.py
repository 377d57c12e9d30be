# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers that several tests share: guests, images, traces, stand-ins for Xen and QEMU."""
