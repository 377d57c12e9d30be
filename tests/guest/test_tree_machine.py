# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that a device tree describes. The expected values follow from Devicetree Specification 0.4."""

import pytest

from coldline.errors import ImageError
from coldline.guest.layout import AddressRange
from coldline.guest.machines import MachineLayout, SerialPort
from coldline.guest.tree_machine import describe_machine
from tests.helpers.images import dtb

BOARD = """
/ {
    #address-cells = <1>; #size-cells = <1>;
    aliases { serial0 = &aux; serial1 = &main; };
    %(chosen)s
    memory@80000000 { device_type = "memory"; reg = <0x80000000 0x10000000>, <0x90000000 0x10000000>; };
    %(more)s
    soc {
        compatible = "simple-bus";
        #address-cells = <1>; #size-cells = <1>;
        ranges = <0x7e000000 0x3f000000 0x1000000>;
        aux: serial@7e215040 { compatible = "brcm,bcm2835-aux-uart"; reg = <0x7e215040 0x40>; %(aux)s };
        inner {
            #address-cells = <1>; #size-cells = <1>;
            ranges;
            main: serial@7e201000 { compatible = "arm,pl011", "arm,primecell"; reg = <0x7e201000 0x200>; };
        };
        unseen {
            #address-cells = <1>; #size-cells = <0>;
            serial@1 { compatible = "arm,pl011"; reg = <1>; };
        };
        interrupt-controller@7e300000 {
            compatible = "arm,gic-400";
            reg = <0x7e300000 0x1000>, <0x7e302000 0x2000>, <0x7e304000 0x2000>, <0x7e306000 0x2000>;
        };
        serial@9 { compatible = "unknown,uart"; reg = <0x7e000009 4>; };
    };
};
"""


def described(source: str = BOARD, **parts: str) -> MachineLayout:
    wanted = {"chosen": "", "more": "", "aux": "", **parts}
    return describe_machine("board.dtb", memoryview(dtb(source % wanted)))


def test_ram_that_touches_is_joined() -> None:
    assert described().ram == (AddressRange(0x8000_0000, 0x2000_0000),)
    more = 'memory@0 { device_type = "memory"; reg = <0 0x1000>; };'
    assert described(more=more).ram == (AddressRange(0, 0x1000), AddressRange(0x8000_0000, 0x2000_0000))


def test_serial_ports_are_where_the_cores_see_them() -> None:
    aux, pl011 = SerialPort("ns16550-32", 0x3F21_5040, 0x100), SerialPort("pl011", 0x3F20_1000, 0x1000)
    assert described().serials == (aux, pl011)  # /aliases serial0 first
    for console in ("serial1:115200n8", "/soc/inner/serial@7e201000"):
        assert described(chosen=f'chosen {{ stdout-path = "{console}"; }};').serials == (pl011, aux)
    assert described(aux='status = "disabled";', chosen='chosen { stdout-path = "serial1"; };').serials == (
        pl011,
    )


@pytest.mark.parametrize(
    ("properties", "uart"),
    [
        ('compatible = "ns16550a";', SerialPort("ns16550", 0x1000, 0x100)),
        ('compatible = "ns16550a"; reg-shift = <2>;', SerialPort("ns16550-32", 0x1000, 0x100)),
        ('compatible = "ns16550a"; reg-offset = <0x40>;', SerialPort("ns16550", 0x1040, 0x100)),
        ('compatible = "fsl,imx8mq-uart", "fsl,imx6q-uart";', SerialPort("imx", 0x1000, 0x100)),
    ],
)
def test_the_kind_of_a_serial_port(properties: str, uart: SerialPort) -> None:
    more = f"serial@1000 {{ reg = <0x1000 0x100>; {properties} }};"
    assert uart in described(more=more).serials


def test_the_gic() -> None:
    found = described()
    assert found.gic_version == 2
    assert found.gicv2 == (AddressRange(0x3F30_0000, 0x1000), AddressRange(0x3F30_2000, 0x2000))
    assert found.gicv2_virtual == (AddressRange(0x3F30_4000, 0x2000), AddressRange(0x3F30_6000, 0x2000))


def test_a_gic_outside_of_the_physical_addresses_is_none() -> None:
    source = """/ { #address-cells = <2>; #size-cells = <2>; memory { reg = <0 0 0 0x1000>; };
        gic { compatible = "arm,gic-v3"; reg = <0 0x1000 0 0x1000>, <0xffffffff 0 0xffffffff 0xfffff000>; }; };"""
    assert describe_machine("board.dtb", memoryview(dtb(source))).gic_version == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/ { };", "the device tree has no RAM: give --ram BASE,SIZE"),
        (
            '/ { #address-cells = <1>; #size-cells = <1>; memory { device_type = "memory"; reg = <0 0>; }; };',
            "the device tree has no RAM: give --ram BASE,SIZE",
        ),
        (
            "/ { #address-cells = <1>; #size-cells = <1>; memory { reg = <0x100 0x1000>; }; };",
            "the device tree's RAM at 0x100 is not in whole pages below 2^40",
        ),
        (
            "/ { memory { reg = <0x100 0 0x1000>; }; };",
            "the device tree's RAM at 0x10000000000 is not in whole pages below 2^40",
        ),
        (
            "/ { #address-cells = <1>; #size-cells = <1>; memory { reg = <0 0x1000 0x2000 0x1000 0x4000 0x1000 "
            "0x6000 0x1000 0x8000 0x1000>; }; };",
            "the device tree has 5 banks of RAM; 4 is the most",
        ),
    ],
)
def test_no_ram_that_can_be_used(source: str, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        describe_machine("board.dtb", memoryview(dtb(source)))
    assert str(caught.value) == f"board.dtb: {message}"
