# SPDX-License-Identifier: GPL-2.0-or-later
"""The devices of the emulated machines: of each only what boot code uses.

None of them raises interrupts or has memory that a cache could hold.
"""

from coldline.frontends.unicorn.devices.bus import Bus, Load
from coldline.frontends.unicorn.devices.constant import Constant
from coldline.frontends.unicorn.devices.device import Device
from coldline.frontends.unicorn.devices.flash import Flash
from coldline.frontends.unicorn.devices.fw_cfg import FwCfg
from coldline.frontends.unicorn.devices.pl011 import Pl011
from coldline.frontends.unicorn.devices.pl031 import Pl031

__all__ = ["Bus", "Constant", "Device", "Flash", "FwCfg", "Load", "Pl011", "Pl031"]
