# SPDX-License-Identifier: GPL-2.0-or-later
"""Source code that a test's subprocess uses to report its peak memory.

The figure in /proc is of that process alone. getrusage's is never less than that of the process that started it
(linux fs/exec.c, `setmax_mm_hiwater_rss`), and tests are started by processes that have grown.
"""

PEAK = '''
def peak():
    """KiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
'''
