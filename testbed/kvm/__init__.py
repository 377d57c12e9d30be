# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs on a Linux with KVM: a small VMM, which builds the guests of plans. Its first process is `init`."""
