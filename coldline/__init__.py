# SPDX-License-Identifier: GPL-2.0-or-later
"""coldline: builds ARM guests, and checks whether any cache can show them stale memory.

The packages follow the path of the data. `image` loads a kernel, `guest` plans a guest's memory, `builder` builds the
guest on a `hypervisor`, and a front end (`frontends`) runs the guest's own code and follows its translation tables
(`mmu`). Builders and front ends write `events`; `trace` keeps those in files. `checker` judges events by the `rules`,
`explain` finds the story of each hazard, `verdict` combines both, and `report` shows the result.
"""

__version__ = "0.1.0"
