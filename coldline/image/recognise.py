# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file is, by its content alone, down to the kernel in it."""

from collections.abc import Callable, Iterator

from coldline.image.arm64_image import is_arm64_image, parse_arm64_image
from coldline.image.compression import unpack_told
from coldline.image.content import Content, Parts, Told
from coldline.image.kernel import Kernel
from coldline.image.raw import raw_kernel
from coldline.support.record import replace


def _kernels() -> Iterator[tuple[Callable[[memoryview], bool], Callable[[Content], Kernel]]]:
    """How each form is told, and what parses it: an arm64 Image first, which may have anything at all in its code.

    What comes after it is imported if it is no such Image.
    """
    yield is_arm64_image, parse_arm64_image
    from coldline.image.elf import is_elf, parse_elf
    from coldline.image.zimage import is_zimage, parse_zimage

    yield is_elf, parse_elf
    yield is_zimage, parse_zimage


def recognise(content: Content, told: Told | None, configuration: str | None) -> Kernel:
    """Find the kernel in `content`: unpack it, open what it is in, check it.

    Each kind of container is opened once, and one compression is undone between two of them: so there is an end.

    Parameters
    ----------
    content : Content
        A file, or what was in one.
    told : Told or None
        What is known of it besides.
    configuration : str or None
        Of a FIT.

    Raises
    ------
    ColdlineError
        As the parts of this package do.
    """
    content = unpack_told(content, told)
    for is_kernel, parse in _kernels():
        if is_kernel(content.data):
            return _agreed(content, parse(content), told)
    parts = _open(content, configuration)
    if parts is not None:
        kernel = recognise(parts.kernel, parts.told, configuration)
        return _agreed(content, _joined(kernel, parts), told)
    from coldline.image.identify import identify

    what = identify(content.data)
    if what is not None:
        raise content.error(f"is {what}")
    if told is not None:
        return raw_kernel(content, told)
    raise content.error(_unknown(content))


def _open(content: Content, configuration: str | None) -> Parts | None:
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
                raise content.error(f"is {name} inside {name}: take it out first")
            return opener(content)
    return None


def _agreed(content: Content, kernel: Kernel, told: Told | None) -> Kernel:
    """`kernel`, if what was told of it can be; with a note of what was told in vain."""
    if told is None:
        return kernel
    if told.architecture is not None and told.architecture != kernel.architecture:
        raise content.error(
            f"{told.by} says that it is for {told.architecture}, but its {kernel.format} is for "
            f"{kernel.architecture}"
        )
    if told.load is None:
        return kernel
    entry = "" if told.entry is None else f" and entry {told.entry:#x}"
    note = f"{told.by} says load {told.load:#x}{entry}: not used, the {kernel.format} says where it goes"
    return replace(kernel, notes=(*kernel.notes, note))


def _joined(kernel: Kernel, parts: Parts) -> Kernel:
    """`kernel` with what its container has besides; an outer container goes before an inner one."""
    return replace(
        kernel,
        initrd=kernel.initrd if parts.initrd is None else parts.initrd,
        device_tree=kernel.device_tree if parts.device_tree is None else parts.device_tree,
        notes=(*parts.notes, *kernel.notes),
    )


def _unknown(content: Content) -> str:
    data = content.data
    if len(data) < 64:
        return f"has {len(data)} bytes and is of no known form; an arm64 Image has a header of 64"
    return (
        f"is of no known form (it starts with {bytes(data[:8]).hex(' ')}; an arm64 Image would have 41 52 4d 64 at "
        f"byte 56): if it is raw, say where it goes (--load, --entry, --arch)"
    )
