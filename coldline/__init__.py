# SPDX-License-Identifier: GPL-2.0-or-later
"""coldline: build ARM guests and say whether any cache can show them stale memory.

The packages follow the path of the data: `image` loads a kernel, `guest` plans where everything goes,
`builder` carries the plan out on a `hypervisor`, `boot` runs the guest's own code, and `coherence` judges
the events (`trace`) that the last two wrote down. `report` shows the judgement.
"""

__version__ = "0.1.0"
