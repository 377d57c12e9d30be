# SPDX-License-Identifier: GPL-2.0-or-later
"""Small guest configuration files to start fuzzing from, valid and unusual."""

from coldline.guest.config.keys import XL_KEYS

_FILES = (
    'name = "g"\nkernel = "/boot/vmlinuz"\nramdisk = "/boot/initrd.img"\nextra = "console=hvc0"\nroot = "/dev/xvda"\n'
    'memory = 512\nmaxmem = 0x400\nvcpus = 2\nmaxvcpus = 4\ncpus = "0-3,^2"\nvuart = "sbsa_uart"\n'
    'on_poweroff = "destroy"\non_reboot = "restart"\ndevice_tree = "part.dtb"\ngic_version = "v3"\n',
    "name='a'; type='pvh'\ncpus = [ '0', \"1\",\n 'node:1', ] # c\nuuid=\"01234567-89ab-cdef-0123-456789abcdef\"\n",
    "name=\"a\\tb\\\"\\101\"\ndisk = [ 'phy:/dev/vg/a,xvda,w', [ 'b', [ 1, 2 ] ] ]\nextra += 'a'\nextra += \"b\"\n",
    'builder = "generic"\nname = "g"\nvif = [ "bridge=br0" ]\nusb = 1\nfoo.bar_1 = 077\n\0cmdline="quiet"',
    "",
)
_OTHERS = "+=", "[ ", " ]", "\\x", '"', "all", "node:", "\n", "v2", "18446744073709551616"
WORDS = tuple(each.encode() for each in (*sorted(XL_KEYS), *_OTHERS))
"""Parts of files, for random changes."""


def configs() -> list[bytes]:
    """All of them."""
    return [each.encode() for each in _FILES]
