# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognises the format of a file by its content, down to the kernel inside."""

from collections.abc import Callable, Iterator
from functools import partial

from coldline.image.arm64_image import is_arm64_image, parse_arm64_image
from coldline.image.compression import decompress_declared
from coldline.image.content import ContainerParts, Content, Declared
from coldline.image.kernel import Kernel
from coldline.image.raw import architecture_of, raw_kernel
from coldline.support.frozen_record import replace


def _kernels() -> Iterator[tuple[Callable[[memoryview], bool], Callable[[Content], Kernel]]]:
    """Yield a test and a parser for each kernel format.

    An arm64 Image comes first, as its code may contain any other magic number. The parsers after it are imported
    only if the file is not an Image.
    """
    yield is_arm64_image, parse_arm64_image
    from coldline.image.elf import is_elf, parse_elf
    from coldline.image.zimage import is_zimage, parse_zimage

    yield is_elf, parse_elf
    yield is_zimage, parse_zimage


def recognise(content: Content, declared: Declared | None, configuration: str | None) -> Kernel:
    """Find the kernel in `content`: decompress it, open its containers, check it.

    Each kind of container is opened only once, with at most one compression in between, so the recursion ends.

    Parameters
    ----------
    content : Content
        A file, or something inside one.
    declared : Declared or None
        What its container declares about it.
    configuration : str or None
        A FIT's configuration.

    Raises
    ------
    ColdlineError
        As `load_kernel`.
    """
    content = decompress_declared(content, declared)
    for is_kernel, parse in _kernels():
        if is_kernel(content.data):
            return _agreed(content, parse(content), declared)
    parts = _open(content, configuration)
    if parts is not None:
        if parts.as_declared:
            kernel = _placed_kernel(parts.kernel, parts.declared, declared)
        else:
            kernel = recognise(parts.kernel, parts.declared, configuration)
        return _agreed(content, _joined(kernel, parts), declared)
    for is_records, parse_records in _records():
        if is_records(content.data):
            return _agreed(content, parse_records(content, declared), declared)
    from coldline.image.foreign_formats import identify

    what = identify(content.data)
    if what is not None:
        raise content.error(f"is {what}")
    if declared is not None and declared.load is not None:
        return _placed_kernel(content, declared, None)
    from coldline.image.firmware_binaries import why_no_kernel

    what = why_no_kernel(content.data)
    if what is not None:
        raise content.error(f"is {what}")
    if declared is not None:
        return raw_kernel(content, declared)
    raise content.error(_unknown(content))


def _records() -> Iterator[tuple[Callable[[memoryview], bool], Callable[[Content, Declared | None], Kernel]]]:
    """Yield a test and a parser for each format of text records, which do not name an architecture."""
    from coldline.image.intel_hex import is_intel_hex, parse_intel_hex
    from coldline.image.srecord import is_srecord, parse_srecord

    yield is_srecord, parse_srecord
    yield is_intel_hex, parse_intel_hex


def _placed_kernel(content: Content, declared: Declared, outer: Declared | None) -> Kernel:
    """Return the raw kernel that a container places, unless it is firmware that cannot be a guest.

    If the container does not name the architecture, it is that of `outer`, or of a branch at the entry. U-Boot's
    build says arm for all its arm64 images, too (U-Boot Makefile (2025.01), MKIMAGEFLAGS_u-boot.img), so a branch at
    the entry that only arm64 has is believed, and a note says so.
    """
    from coldline.image.firmware_binaries import (
        HOW_TO_START_SECURE,
        first_stage,
        secure_firmware,
        u_boot_binary,
    )

    what = secure_firmware(content.data)
    if what is not None:
        raise content.error(f"is {what}: take it out, and {HOW_TO_START_SECURE}")
    u_boot = u_boot_binary(content.data)
    if u_boot is not None and u_boot.stage:
        raise content.error(f"is {first_stage(u_boot)}")
    told = None if outer is None else outer.architecture
    branch, inside = None, False
    if declared.load is not None and declared.entry is not None:
        offset = declared.entry - declared.load
        inside = 0 <= offset < len(content.data)
        branch = architecture_of(content.data[offset : offset + 4]) if inside else None
    if branch == "arm64" and declared.architecture == "arm32" and told != "arm32":
        kernel = raw_kernel(content, replace(declared, architecture=branch))
        note = f"{declared.by} says that it is for arm32, but it starts with a branch of arm64: arm64 is used"
        return replace(kernel, notes=(*kernel.notes, note))
    architecture = declared.architecture or told or branch
    if architecture is None and inside:
        raise content.error(f"{declared.by} does not say which architecture it is for: give --arch")
    return raw_kernel(content, replace(declared, architecture=architecture))


def _open(content: Content, configuration: str | None) -> ContainerParts | None:
    from coldline.image.boot_media import BOOT_MEDIA, open_boot_medium
    from coldline.image.fit import is_flat_tree, open_fit
    from coldline.image.imx_image import is_imx_image, open_imx_image
    from coldline.image.stm32_image import is_stm32_image, open_stm32_image
    from coldline.image.uimage import is_uimage, open_uimage
    from coldline.image.zboot import is_zboot, open_zboot

    openers: tuple[tuple[str, Callable[[memoryview], bool], Callable[[Content], ContainerParts]], ...] = (
        ("EFI zboot", is_zboot, open_zboot),
        ("uImage", is_uimage, open_uimage),
        ("FIT", is_flat_tree, lambda each: open_fit(each, configuration)),
        *((each.name, each.starts, partial(open_boot_medium, medium=each)) for each in BOOT_MEDIA),
        ("i.MX image", is_imx_image, open_imx_image),
        ("STM32 image", is_stm32_image, open_stm32_image),
    )
    for name, is_it, opener in openers:
        if is_it(content.data):
            if name in content.layers:
                raise content.error(f"is {name} inside {name}, which is not supported")
            return opener(content)
    return None


def _agreed(content: Content, kernel: Kernel, declared: Declared | None) -> Kernel:
    """Check a kernel against its container's declaration; return it with a note about what was not used."""
    if declared is None:
        return kernel
    if declared.architecture is not None and declared.architecture != kernel.architecture:
        what = "code" if kernel.format == "raw" else kernel.format
        raise content.error(
            f"{declared.by} says that it is for {declared.architecture}, but its {what} is for {kernel.architecture}"
        )
    if declared.load is None:
        return kernel
    entry = "" if declared.entry is None else f" and entry {declared.entry:#x}"
    note = (
        f"{declared.by} says load {declared.load:#x}{entry}: not used, the {kernel.format} says where it goes"
    )
    return replace(kernel, notes=(*kernel.notes, note))


def _joined(kernel: Kernel, parts: ContainerParts) -> Kernel:
    """Add a container's initrd, device tree and notes to a kernel; an outer container overrides an inner one."""
    return replace(
        kernel,
        initrd=kernel.initrd if parts.initrd is None else parts.initrd,
        device_tree=kernel.device_tree if parts.device_tree is None else parts.device_tree,
        notes=(*parts.notes, *kernel.notes),
    )


def _unknown(content: Content) -> str:
    data = content.data
    if len(data) < 64:
        return f"has {len(data)} bytes and no known format; an arm64 Image has a header of 64"
    return (
        f"has no known format (it starts with {bytes(data[:8]).hex(' ')}; an arm64 Image would have 41 52 4d 64 at "
        f"byte 56): if it is raw, say where it goes with --load, --entry and --arch"
    )
