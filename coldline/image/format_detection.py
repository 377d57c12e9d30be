# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognises the format of a file by its content, down to the kernel inside."""

from collections.abc import Callable, Iterator

from coldline.image.arm64_image import is_arm64_image, parse_arm64_image
from coldline.image.compression import decompress_declared
from coldline.image.content import ContainerParts, Content, Declared
from coldline.image.kernel import Kernel
from coldline.image.raw import raw_kernel
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
        kernel = recognise(parts.kernel, parts.declared, configuration)
        return _agreed(content, _joined(kernel, parts), declared)
    from coldline.image.foreign_formats import identify

    what = identify(content.data)
    if what is not None:
        raise content.error(f"is {what}")
    if declared is not None:
        return raw_kernel(content, declared)
    raise content.error(_unknown(content))


def _open(content: Content, configuration: str | None) -> ContainerParts | None:
    from coldline.image.fit import is_flat_tree, open_fit
    from coldline.image.uimage import is_uimage, open_uimage
    from coldline.image.zboot import is_zboot, open_zboot

    for name, is_it, opener in (
        ("EFI zboot", is_zboot, open_zboot),
        ("uImage", is_uimage, open_uimage),
        ("FIT", is_flat_tree, lambda each: open_fit(each, configuration)),
    ):
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
        raise content.error(
            f"{declared.by} says that it is for {declared.architecture}, but its {kernel.format} is for "
            f"{kernel.architecture}"
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
