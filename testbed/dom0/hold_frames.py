# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds a guest that runs for ever, maps frames of it, and waits until the host has looked at the tables."""

import json
import time
from pathlib import Path

from coldline.builder import build_domain
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor.xen import SystemBindings, XenHost
from coldline.image import load_kernel
from testbed.dom0.bad_guests import ARCHITECTURE, image_of
from testbed.dom0.driver_device import ATTR_NORMAL_NC

HOST = Path("/host")
FRAMES = 8
CACHED, UNCACHED = 0x40100, 0x40200
MEMORY = 4 << 20


def main() -> None:
    bindings = SystemBindings()
    host = XenHost(bindings)
    image = Path("/tmp/noise")
    image.write_bytes(image_of("noise", ARCHITECTURE))
    plan = make_plan(load_kernel(str(image)), GuestOptions(memory=MEMORY, vcpus=1, bootargs=""))
    domain = build_domain(plan, "uncached-hypercall", host)
    try:
        # the guest's console page, into which it writes
        host.populate_unchecked(domain, 0x39000000, 4096)
        cached = [*range(CACHED, CACHED + FRAMES)]
        uncached = [*range(UNCACHED, UNCACHED + FRAMES)]
        first = bindings.foreign.map(domain.domid, cached)
        second = bindings.driver.map(domain.domid, uncached, ATTR_NORMAL_NC)
        host.unpause(domain)
        (HOST / "held.new").write_text(json.dumps({"frames": [cached, uncached]}))
        (HOST / "held.new").rename(HOST / "held")
        while not (HOST / "released").exists():
            time.sleep(0.1)
        bindings.driver.unmap(second, FRAMES)
        bindings.foreign.unmap(first, FRAMES)
    finally:
        host.destroy(domain)


if __name__ == "__main__":
    main()
