# SPDX-License-Identifier: GPL-2.0-or-later
"""Small device trees to start fuzzing from, whole and partial, by coldline and by dtc."""

import shutil

from coldline.guest.devicetree import MachineDescription, build_device_tree
from coldline.guest.layout import AddressRange
from coldline.guest.plan import Bank
from tests.helpers.images import dtb

_WHOLE = (
    "/ { };",
    '/ { #address-cells = <2>; #size-cells = <2>; memory@0 { device_type = "memory"; reg = <0 0 0 1>; };'
    ' chosen { bootargs = "a"; linux,initrd-start = <1>; linux,initrd-end = <2>; }; };',
    "/memreserve/ 0x1000 0x1000; / { #address-cells = <1>; #size-cells = <1>; memory { reg = <0 1>; };"
    ' ram { device_type = "memory"; }; a { b { c { d = "e"; }; }; }; };',
)
_PARTIAL = (
    '/ { passthrough { compatible = "simple-bus"; ranges; #address-cells = <2>; }; };',
    '/ { aliases { net = "/passthrough/n@0"; }; passthrough { n@0 { phandle = <3>; reg = <0 1>;'
    " x { linux,phandle = <4>; phandle = <4>; y; }; }; m { z = <&{/passthrough/n@0}>; }; }; other { q; }; };",
)


def whole() -> list[bytes]:
    """The device tree of a guest."""
    found = []
    for vcpus, gic, initrd in ((1, 3, None), (3, 2, AddressRange(0x48000000, 100))):
        machine = MachineDescription(
            banks=(Bank(0x40000000, 64 << 20),),
            vcpus=vcpus,
            core_compatible="arm,armv8",
            gic_version=gic,
            exception_level=1,
            bootargs=b"console=ttyAMA0",
            initrd=initrd,
        )
        found.append(build_device_tree(machine))
    return found + _compiled(_WHOLE)


def partial() -> list[bytes]:
    """Partial device trees, as for ``--dtb``."""
    return _compiled(_PARTIAL) + whole()[:1]


def _compiled(sources: tuple[str, ...]) -> list[bytes]:
    if shutil.which("dtc") is None:
        return []
    return [dtb(source) for source in sources]
