# SPDX-License-Identifier: GPL-2.0-or-later
"""libxl's record of a domain, compared with what xl 4.17 and 4.20 wrote for the same configuration."""

import stat
from pathlib import Path

import pytest

from coldline.guest.config import Disk, NetworkInterface
from coldline.hypervisor.xen.bindings.records import RecordFolder
from coldline.hypervisor.xen.domain_setup import DomainSetup, GuestFiles, Scheduling, ShutdownActions
from coldline.hypervisor.xen.libxl_record import libxl_json

MIB = 1 << 20
UUID = "dea867d1-1233-4bf7-98a1-18d9acf97d92"
HANDLE = bytes.fromhex(UUID.replace("-", ""))

OF_XL = """\
{
    "c_info": {
        "type": "pvh",
        "name": "theirs",
        "domid": 4294967295,
        "uuid": "dea867d1-1233-4bf7-98a1-18d9acf97d92",
        "run_hotplug_scripts": "True"
    },
    "b_info": {
        "max_vcpus": 2,
        "avail_vcpus": [
            0
        ],
        "max_memkb": 65536,
        "target_memkb": 65536,
        "video_memkb": 0,
        "sched_params": {

        },
        "claim_mode": "True",
        "kernel": "/host/guest/kernel",
        "cmdline": "console=hvc0 loglevel=4 rdinit=/init",
        "ramdisk": "/host/guest/initrd",
        "type.pvh": {

        },
        "arch_arm": {

        },
        "arch_x86": {

        }
    },
    "on_reboot": "preserve",
    "on_soft_reset": "soft_reset"
}
"""

ALSO_OF_XL = """\
        "vcpu_hard_affinity": [
            [
                0
            ],
            [
                0
            ]
        ],
        "max_memkb": 65536,
        "target_memkb": 65536,
        "video_memkb": 0,
        "sched_params": {
            "weight": 512
        },
        "claim_mode": "True",
        "kernel": "/host/guest/kernel",
        "cmdline": "console=hvc0",
        "ramdisk": "/host/guest/initrd",
        "type.pvh": {

        },
        "arch_arm": {
            "gic_version": "v3",
            "vuart": "sbsa_uart"
        },
        "arch_x86": {

        }
    },
    "on_reboot": "restart",
    "on_crash": "coredump_restart",
    "on_soft_reset": "soft_reset"
}
"""


def test_the_record_is_xls() -> None:
    setup = DomainSetup(
        "theirs",
        online_vcpus=1,
        actions=ShutdownActions(reboot="preserve"),
        files=GuestFiles(
            "/host/guest/kernel", "/host/guest/initrd", None, "console=hvc0 loglevel=4 rdinit=/init"
        ),
    )
    assert libxl_json(setup, HANDLE, 64 * MIB, 2) == OF_XL


def test_all_settings() -> None:
    setup = DomainSetup(
        "second1",
        vuart=True,
        scheduling=Scheduling(weight=512),
        actions=ShutdownActions(crash="coredump-restart"),
        files=GuestFiles("/host/guest/kernel", "/host/guest/initrd", None, "console=hvc0", 3),
    )
    assert libxl_json(setup, HANDLE, 64 * MIB, 2, [[0], [0]]).endswith(ALSO_OF_XL)


@pytest.mark.parametrize(
    ("action", "name"),
    [("rename-restart", "restart_rename"), ("coredump-destroy", "coredump_destroy"), ("restart", "restart")],
)
def test_actions_have_libxls_names(action: str, name: str) -> None:
    setup = DomainSetup("a", actions=ShutdownActions(watchdog=action))
    assert f'    "on_watchdog": "{name}"' in libxl_json(setup, HANDLE, MIB, 1)


def test_a_balloon_and_a_pool() -> None:
    setup = DomainSetup("a", max_memory=128 * MIB, scheduling=Scheduling(pool="other"))
    text = libxl_json(setup, HANDLE, 64 * MIB, 1)
    assert '"max_memkb": 131072,\n        "target_memkb": 65536,' in text
    assert '"pool_name": "other",\n        "run_hotplug' in text


OF_XL_WITH_DEVICES = """\
    "disks": [
        {
            "pdev_path": "/tmp/d/disk.img",
            "vdev": "xvda",
            "format": "raw",
            "readwrite": 1,
            "colo_restore_enable": "False"
        }
    ],
    "nics": [
        {
            "devid": 0,
            "mac": "00:16:3e:01:02:03",
            "nictype": "vif"
        }
    ],
    "on_reboot": "restart",
"""


def test_devices() -> None:
    setup = DomainSetup(
        "a",
        disks=(Disk(vdev="xvda", target="/tmp/d/disk.img"),),
        networks=(NetworkInterface(mac="00:16:3e:01:02:03"),),
    )
    assert OF_XL_WITH_DEVICES in libxl_json(setup, HANDLE, 64 * MIB, 1)


def test_files_of_records(tmp_path: Path) -> None:
    records = RecordFolder(str(tmp_path))
    records.write(7, UUID, "{}\n")
    (file,) = tmp_path.iterdir()
    assert (file.name, file.read_bytes()) == (f"userdata-d.7.{UUID}.libxl-json", b"{}\n\0")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    records.move(7, UUID, "other")
    assert [each.name for each in tmp_path.iterdir()] == ["userdata-d.7.other.libxl-json"]
    records.write(7, UUID, "{}")
    (tmp_path / f"userdata-d.7.{UUID}.xl").write_text("xl's")
    kept = tmp_path / f"userdata-l.7.{UUID}.domain-userdata-lock"
    kept.write_text("")
    others = tmp_path / f"userdata-d.70.{UUID}.libxl-json"
    others.write_text("")
    records.remove(7)
    assert sorted(tmp_path.iterdir()) == sorted([kept, others])


def test_without_libxl(tmp_path: Path) -> None:
    records = RecordFolder(str(tmp_path / "none"))
    records.write(1, UUID, "{}")
    records.remove(1)
    records.move(1, UUID, UUID)
    assert not (tmp_path / "none").exists()
