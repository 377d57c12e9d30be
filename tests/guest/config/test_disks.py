# SPDX-License-Identifier: GPL-2.0-or-later
"""Specifications of disks, by xl's manual and compared with xl's own parser."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldline.guest.config.disks import Disk, device_number, parse_disk
from tests.helpers.effort import examples
from tests.helpers.requirements import require
from tests.oracles import libxlu

NO_LIBRARY = "libxlutil is not installed (Debian: libxenmisc4.17 or later)"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        # the forms of xl-disk-configuration(5)
        ("/dev/vg/guest-volume,,xvda", Disk(vdev="xvda", target="/dev/vg/guest-volume")),
        ("/dev/vg/guest-volume,raw,xvda,rw", Disk(vdev="xvda", target="/dev/vg/guest-volume")),
        (
            "format=raw, vdev=xvda, access=ro, target=/dev/vg/a,b=c",
            Disk(vdev="xvda", target="/dev/vg/a,b=c", writable=False, discard=False),
        ),
        ("format=qcow2,vdev=xvda,target=/a", Disk(vdev="xvda", target="/a", format="qcow2")),
        ("phy:/dev/sdb,xvda,w", Disk(vdev="xvda", target="/dev/sdb")),
        (
            "file:/srv/disk.img,xvdb,r",
            Disk(vdev="xvdb", target="/srv/disk.img", writable=False, discard=False),
        ),
        ("tap:qcow2:/a,hda,w", Disk(vdev="hda", target="/a", format="qcow2")),
        (
            "iscsi:iqn.2001-05.com.example:storage,xvda,w",
            Disk(vdev="xvda", target="iqn.2001-05.com.example:storage", script="block-iscsi"),
        ),
        ("nbd:10,xvda,w", Disk(vdev="xvda", target="10", script="block-nbd")),
        ("/a.iso,,hdc,cdrom", Disk(vdev="hdc", target="/a.iso", cdrom=True, writable=False, discard=False)),
        (
            ",hdc:cdrom,r",
            Disk(vdev="hdc", target="", format="empty", cdrom=True, writable=False, discard=False),
        ),
        ("/a,,xvda,no-discard,untrusted", Disk(vdev="xvda", target="/a", discard=False, trusted=False)),
        ("/a,,xvda,backendtype=phy,script=own", Disk(vdev="xvda", target="/a", backend="phy", script="own")),
        ("/a,,xvda,backend=storage", Disk(vdev="xvda", target="/a", domain="storage")),
    ],
)
def test_what_is_meant(text: str, want: Disk) -> None:
    assert parse_disk(text) == want


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no vdev, such as vdev=xvda"),
        ("/a", "no vdev, such as vdev=xvda"),
        ("vdev=xvda", "no target, which only a CD-ROM drive can be without"),
        ("/a,,nonsense", "'nonsense' is no virtual device, such as xvda"),
        ("/a,lzma,xvda", "unknown format 'lzma'; choose from: raw, qcow, qcow2, vhd, empty, qed"),
        ("/a,,xvda,x", "unknown access 'x'; choose from: r, ro, w, rw"),
        ("/a,,xvda,w,more", "too many parameters: 'more'"),
        ("/a,,xvda,format=qcow2", "format is raw and qcow2"),
        ("/a,,xvda,vdev=xvdb", "vdev is given twice: 'xvda' and 'xvdb'"),
        ("/a,,xvda,nonsense=1", "unknown parameter 'nonsense'"),
        ("/a,,xvda,devtype=tape", "unknown devtype 'tape'; choose from: cdrom, disk"),
        ("zfs:/a,xvda", "unknown prefix 'zfs:'"),
        ("/a,empty,xvda", "it is empty, but not a CD-ROM drive"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(why)}$"):
        parse_disk(text)


@pytest.mark.parametrize(
    ("vdev", "number"),
    [
        # docs/man/xen-vbd-interface.7.pandoc
        ("xvda", 51712),
        ("xvda1", 51713),
        ("xvdb", 51728),
        ("xvdp15", 51967),
        ("xvdq", 1 << 28 | 16 << 8),
        ("xvda16", 1 << 28 | 16),
        ("xvdaa", 1 << 28 | 26 << 8),
        ("d0p1", 51713),
        ("d16p0", 1 << 28 | 16 << 8),
        ("hda", 768),
        ("hdb2", 834),
        ("hdc", 5632),
        ("sda", 2048),
        ("sdb1", 2065),
        ("51712", 51712),
        ("0xca00", 51712),
        ("2147483648", None),
        ("xvd", None),
        ("xvda01", None),
        ("xvda256", None),
        ("hde", None),
        ("sdq", None),
        ("vda", None),
        ("", None),
    ],
)
def test_numbers(vdev: str, number: int | None) -> None:
    assert device_number(vdev) == number


WORDS = st.sampled_from(
    [
        "/a", "", "raw", "qcow2", "vhd", "xvda", "hdc:cdrom", "xvdb:disk", "w", "r", "rw", "ro", "x", " ",
        "cdrom", "devtype=cdrom", "devtype=disk", "devtype=x", "format=raw", "format=", "format=qcow2", "access=r",
        "access=", "vdev=xvdc", "vdev=", "target=/b", "target=", "script=s", "backendtype=phy", "backendtype=qdisk",
        "backend=d", "specification=xen", "direct-io-safe", "discard", "no-discard", "phy:/c",
        "file:", "file:/d", "tap:aio:/e", "qcow2:/f", "nbd:1", "zfs:/g", "a:b", "a=b", "nonsense=long", " vdev=xvdd",
    ]
)  # fmt: skip


def parsed(text: str) -> tuple[Disk | None, str]:
    """The disk, or None and why there is none."""
    try:
        return parse_disk(text), ""
    except ValueError as error:
        return None, str(error)


@given(st.lists(WORDS, max_size=6))
@settings(max_examples=examples(400), deadline=None)
def test_xls_own_parser_says_the_same(words: list[str]) -> None:
    require(libxlu.library(), NO_LIBRARY)
    text = ",".join(words)
    theirs = libxlu.disk(text.encode())
    ours, error = parsed(text)
    if ours is None:
        # libxl refuses these, its parser does not
        later = ("is no virtual device", "it is empty")
        assert theirs is None or any(each in error for each in later), (text, theirs, error)
        return
    assert theirs is not None, (text, ours)
    want = {name: value.decode() if isinstance(value, bytes) else value for name, value in theirs.items()}
    want["specification"] = want["specification"] or "xen"
    assert {name: getattr(ours, name) for name in want} == want, text
