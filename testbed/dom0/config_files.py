# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest configuration files of the kinds that xl.cfg(5) describes, which are given to xl and to coldline."""

from typing import Final

__all__ = ["CREATED", "FILES", "STRICTER", "WRONG"]

_BASE: Final = 'name = "file"\nkernel = "/host/guest/kernel"\nmemory = 64\n'
_OF_DISK: Final = "target=/tmp/file.img"

FILES: Final = {
    "least": 'name = "file"\nkernel = "/host/guest/kernel"\n',
    "linux": _BASE + 'ramdisk = "/host/guest/initrd"\nextra = "console=hvc0"\nroot = "/dev/xvda"\n',
    "cmdline": _BASE + 'cmdline = "console=hvc0 quiet"\nextra = "ignored"\n',
    "types": _BASE + 'type = "pvh"\nbuilder = "generic"\n',
    "old builder": _BASE + 'builder = "linux"\n',
    "hvm": _BASE + 'type = "hvm"\n',
    "no name": 'kernel = "/host/guest/kernel"\n',
    "vcpus": _BASE + "vcpus = 2\nmaxvcpus = 4\n",
    "more vcpus than maxvcpus": _BASE + "vcpus = 4\nmaxvcpus = 2\n",
    "balloon": _BASE + "maxmem = 128\n",
    "more memory than maxmem": _BASE + "maxmem = 32\n",
    "memory as text": 'name = "file"\nkernel = "/host/guest/kernel"\nmemory = "0x40"\n',
    "memory is no number": 'name = "file"\nkernel = "/host/guest/kernel"\nmemory = "64M"\n',
    "uuid": _BASE + 'uuid = "0123abcd-0000-1111-2222-333344445555"\n',
    "wrong uuid": _BASE + 'uuid = "0123abcd"\n',
    "scheduling": _BASE + 'pool = "Pool-0"\ncpu_weight = 512\ncap = 50\n',
    "cpus": _BASE + 'cpus = "0"\n',
    "actions": _BASE + 'on_poweroff = "preserve"\non_reboot = "destroy"\non_crash = "coredump-restart"\n',
    "on_watchdog": _BASE + 'on_watchdog = "rename-restart"\non_soft_reset = "soft-reset"\n',
    "wrong action": _BASE + 'on_crash = "explode"\n',
    "gic": _BASE + 'gic_version = "v3"\n',
    "wrong gic": _BASE + 'gic_version = "v9"\n',
    "vuart": _BASE + 'vuart = "sbsa_uart"\n',
    "wrong vuart": _BASE + 'vuart = "16550"\n',
    "disk": _BASE + f'disk = ["format=raw, vdev=xvda, access=rw, {_OF_DISK}"]\n',
    "old disks": _BASE + 'disk = ["file:/tmp/file.img,xvda,w", "phy:/tmp/file.img,hdb,r"]\n',
    "CD-ROM": _BASE + 'disk = ["/tmp/file.img,,xvdc,cdrom"]\n',
    "qcow2": _BASE + f'disk = ["format=qcow2,vdev=xvda,{_OF_DISK}"]\n',
    "disk without vdev": _BASE + 'disk = ["/tmp/file.img"]\n',
    "disk with two formats": _BASE + 'disk = ["/tmp/file.img,raw,xvda,w,format=qcow2"]\n',
    "interface": _BASE + 'vif = ["mac=00:16:3e:01:02:03,bridge=xenbr0"]\n',
    "interfaces": _BASE
    + 'vif = ["mac=00:16:3e:01:02:03,rate=1MB/s@20ms", "mac=00:16:3e:1:2:4,ip=10.0.0.9"]\n',
    "emulated interface": _BASE + 'vif = ["type=ioemu"]\n',
    "wrong mac": _BASE + 'vif = ["mac=nonsense"]\n',
    "9pfs": _BASE + 'p9 = ["tag=share,security_model=none,path=/tmp"]\n',
    "iomem": _BASE + 'iomem = ["0xff000,1"]\nirqs = [100]\n',
    "console": _BASE + 'channel = ["connection=pty,name=org.example.0"]\n',
    "lists over lines": _BASE + 'disk = [\n  "/tmp/file.img,,xvda,w",  # the root\n]\nvif = []\n',
    "adding": _BASE + 'extra = "a"\nextra += " b"\n',
    "no effect": _BASE + "acpi = 0\nnestedhvm = 0\nvnc = 0\n",
    "unknown key": _BASE + "no_such_key = 1\n",
    "no syntax": _BASE + "memory 64\n",
    "upper case": _BASE + "VCPUS = 2\n",
    "open string": _BASE + 'extra = "a\n',
    "a list for a string": _BASE + 'kernel = ["a"]\n',
}
"""Each file's text, by what it is about."""

STRICTER: Final = {
    "least": "does not fit: RAM (32 MiB) ends at",
    "hvm": "type is hvm: Xen on Arm has no such guests, only pvh",
    "more memory than maxmem": "maxmem (32) is less than memory (64)",
    "memory is no number": "memory needs a number, not '64M'",
    "qcow2": "format qcow2 needs QEMU as its backend, which coldline does not start",
    "emulated interface": "is emulated, which Xen on Arm does not do",
    "wrong mac": "'nonsense' is no MAC address",
    "9pfs": "coldline cannot give a guest p9",
    "iomem": "coldline cannot give a guest iomem",
    "console": "coldline cannot give a guest channel",
}
"""Files that `xl create -n` takes and coldline refuses, and what coldline says."""

CREATED: Final = {
    "linux": "",
    "vcpus": "",
    "scheduling": "",
    "cpus": "",
    "gic": "",
    "vuart": "",
    "disk": "",
    "CD-ROM": "",
    "interface": "",
    "more memory than maxmem": "maxmem (32) is less than memory (64)",
}
"""Files of which guests are built by both, and what coldline says of those that it refuses; xl refuses those, too."""

WRONG: Final = {
    "no kernel": (_BASE + 'kernel = "/none"\n', "/none: cannot open the kernel: No such file or directory"),
    "no ramdisk": (_BASE + 'ramdisk = "/none"\n', "/none: cannot open the initrd: No such file or directory"),
    "no disk": (_BASE + 'disk = ["/none,,xvda,w"]\n', "disk xvda: /none: No such file or directory"),
    "no bridge": (_BASE + 'vif = ["bridge=none"]\n', "Could not find bridge device none"),
    "no pool": (_BASE + 'pool = "none"\n', "no cpupool 'none'"),
    "another gic": (_BASE + 'gic_version = "v2"\n', "the guest needs a GICv2, but this Xen offers a GICv3"),
    "too much memory": (
        'name = "file"\nkernel = "/host/guest/kernel"\nmemory = 8000\n',
        "Xen's tables for it",
    ),
    "no block device": (_BASE + 'disk = ["/dev/null,,xvda,w"]\n', "neither a block device nor a file"),
}
"""Files whose guests nobody can build: the text, and what coldline says."""
