# SPDX-License-Identifier: GPL-2.0-or-later
"""Specifications of network interfaces, by xl's manual."""

import re

import pytest

from coldline.guest.config.networks import NetworkInterface, Rate, parse_interface, random_mac

MAC = "00:16:3e:01:02:03"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        # the forms of xl-network-configuration(5)
        ("", NetworkInterface()),
        (f"mac={MAC},bridge=xenbr1", NetworkInterface(mac=MAC, bridge="xenbr1")),
        ("mac=0:16:3E:1:2:3", NetworkInterface(mac=MAC)),
        (f"bridge=a, mac={MAC} ".rstrip(), NetworkInterface(mac=MAC, bridge="a")),
        (
            "script=vif-nat,ip=10.0.0.2,gatewaydev=eth0,vifname=own,mtu=9000,untrusted,type=vif,model=e1000",
            NetworkInterface(
                script="vif-nat", ip="10.0.0.2", gateway="eth0", name="own", mtu=9000, trusted=False
            ),
        ),
        ("backend=netdom", NetworkInterface(domain="netdom")),
        # 10 Mbit in a second are 1.25 MB, in 50 ms 62,500 bytes
        ("rate=10Mb/s", NetworkInterface(rate=Rate(62_500, 50_000))),
        ("rate=250KB/s", NetworkInterface(rate=Rate(12_500, 50_000))),
        ("rate=1MB/s@20ms", NetworkInterface(rate=Rate(20_000, 20_000))),
        ("rate=8b/s@2", NetworkInterface(rate=Rate(2, 2_000_000))),
    ],
)
def test_what_is_meant(text: str, want: NetworkInterface) -> None:
    assert parse_interface(text) == want


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mac=00:16:3e", "'00:16:3e' is no MAC address, such as 00:16:3e:00:00:01"),
        ("type=ioemu", "an interface of type ioemu is emulated, which Xen on Arm does not do"),
        ("rate=10", "'10' is no rate, such as 10Mb/s or 1MB/s@20ms"),
        ("rate=1B/s@9999999999s", "rate '1B/s@9999999999s' is out of range"),
        ("mtu=1", "mtu is '1', but must be from 68 to 65535"),
        ("bridge=", "a parameter has no value"),
        ("bridge", "unknown parameter 'bridge'"),
        ("color=red", "unknown parameter 'color=red'"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(why)}$"):
        parse_interface(text)


def test_a_random_address_is_of_xens_range() -> None:
    assert re.fullmatch(r"00:16:3e:[0-7][0-9a-f]:[0-9a-f]{2}:[0-9a-f]{2}", random_mac())
