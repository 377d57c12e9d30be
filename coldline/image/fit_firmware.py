# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations of a FIT with firmware in place of a kernel (``u-boot.itb``), as U-Boot's SPL loads them.

The SPL loads ``firmware`` and then ``loadables``, with the device tree right behind U-Boot, and enters the first of
them. If that is Trusted Firmware-A, it enters U-Boot. coldline starts guests below EL3 and in Non-secure state, so it
starts with what they enter, and loads neither Trusted Firmware-A nor OP-TEE.

Source: U-Boot common/spl/spl_fit.c, spl_load_simple_fit and spl_fit_append_fdt; common/spl/spl_atf.c; boot/image.c,
uimage_os, for the names of operating systems (2025.01).
"""

from coldline.image.content import ContainerParts, Declared
from coldline.image.fit_images import FIT_ARCHITECTURES, FitImage, FitImages
from coldline.support.printable import one_line

_U_BOOT = "u-boot"
_SECURE = ("arm-trusted-firmware", "tee")
_TREE_ALIGNMENT = 8
"""spl_fit_append_fdt."""


def firmware_parts(images: FitImages, where: str, properties: dict[str, memoryview]) -> ContainerParts:
    """Return the image that firmware enters in Non-secure state, with the device tree behind it if it is U-Boot.

    Parameters
    ----------
    images : FitImages
        The FIT's images.
    where : str
        The configuration, for messages.
    properties : dict
        Its properties.

    Raises
    ------
    ImageError
        If it names no image for arm in Non-secure state, or that image is malformed or has no load address.
    """
    content = images.content
    named = images.all(where, "firmware", properties)[:1] + images.all(where, "loadables", properties)
    if not named:
        raise content.error(f"its {where} names no kernel, firmware or loadables")
    candidates = {image.name: image for image in named if _may_be_entered(images, image)}
    if not candidates:
        listed = one_line(", ".join(f"'{image.name}'" for image in named))
        raise content.error(
            f"its {where} has nothing that runs at EL1 or EL2 of an arm core: of {listed}, each is Trusted "
            "Firmware-A, OP-TEE or for another core"
        )
    entered = next((each for each in candidates.values() if _os(images, each) == _U_BOOT), None)
    entered = entered or next(iter(candidates.values()))
    load = images.address(entered, "load")
    if load is None:
        raise content.error(f"its image '{entered.name}' has no load")
    data, notes = images.unpacked(entered), [one_line(f"used its FIT's {where}: '{entered.name}'")]
    is_u_boot = _os(images, entered) == _U_BOOT
    if is_u_boot and "fdt" in properties:
        tree = images.unpacked(images.only(where, "fdt", properties, ("flat_dt",)))
        size = -(-len(data) // _TREE_ALIGNMENT) * _TREE_ALIGNMENT
        data = memoryview(bytes(data).ljust(size, b"\0") + bytes(tree))
        notes.append(f"put the configuration's device tree at {load + size:#x}, behind U-Boot")
    left_out = {image.name: None for image in named if image.name != entered.name}
    if left_out:
        names = ", ".join(f"'{name}'" for name in left_out)
        notes.append(one_line(f"did not load {names} of that configuration"))
    return ContainerParts(
        kernel=content.inside("FIT", data),
        declared=Declared(
            by=entered.by,
            architecture=images.one_of(entered, "arch", FIT_ARCHITECTURES),
            load=load,
            entry=images.address(entered, "entry") or load,
        ),
        as_declared=is_u_boot,
        notes=tuple(notes),
    )


def _may_be_entered(images: FitImages, image: FitImage) -> bool:
    """Return whether an image is for an arm core in Non-secure state."""
    if "arch" in image.properties and images.text(image, "arch") not in FIT_ARCHITECTURES:
        return False
    return _os(images, image) not in _SECURE


def _os(images: FitImages, image: FitImage) -> str:
    """Return an image's operating system, U-Boot if it names none, as for SPL; case does not count, as in U-Boot."""
    return images.text(image, "os").lower() if "os" in image.properties else _U_BOOT
