# SPDX-License-Identifier: GPL-2.0-or-later
"""Places guests in any free RAM, if Xen's placement rule has no place for them and the kernel allows it.

Xen uses only the first bank, reserves the kernel's last 2 MiB, leaves a page free and puts the device tree behind the
initrd. arm64 Linux requires less: the device tree can be anywhere in RAM, the initrd must be in one window of 32 GiB
with the kernel, and if its header allows it, the kernel can be on any 2 MiB boundary. Source: Linux
Documentation/arch/arm64/booting.rst, sections 2 and 4.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from coldline.errors import PlanError
from coldline.guest.boot_protocol import BootProtocol
from coldline.guest.kernel_segments import kernel_base
from coldline.guest.layout import AddressRange, exact_size_text, round_up
from coldline.guest.placement import Placement, modules_text, place_in_first_bank
from coldline.guest.plan import Bank
from coldline.guest.reasons import Reason
from coldline.support.units import GIB, PAGE_SIZE

if TYPE_CHECKING:
    from coldline.image import Kernel

_WINDOW_ALIGNMENT = GIB


def place_guest(
    kernel: "Kernel",
    banks: Sequence[Bank],
    protocol: BootProtocol,
    *,
    initrd_size: int | None,
    dtb_size: int,
) -> tuple[int, Placement]:
    """Place a guest by Xen's rule or, if that fails and the protocol has a window, in any free RAM.

    Parameters
    ----------
    kernel : Kernel
        The kernel to place.
    banks : sequence of Bank
        The banks of RAM, lowest first.
    protocol : BootProtocol
        The kernel's boot protocol.
    initrd_size : int or None
        Size in bytes; None without an initrd.
    dtb_size : int
        Size in bytes.

    Returns
    -------
    base : int
        The base of the kernel's pieces.
    placement : Placement
        The addresses of everything that is loaded.

    Raises
    ------
    PlanError
        If something does not fit.
    """
    window = protocol.initrd_window
    base = kernel_base(kernel, banks[:1] if window is None and not kernel.fixed else banks)
    home = _home(kernel, banks) if window is None else banks[0]
    refusal = None
    try:
        found = place_in_first_bank(
            home,
            text_offset=base + kernel.pieces[0].address - home.base,
            image_size=kernel.pieces[-1].end - kernel.pieces[0].address,
            initrd_size=initrd_size,
            dtb_size=dtb_size,
            low_memory=protocol.low_memory,
        )
        initrd = None if found.initrd is None else AddressRange(found.initrd, initrd_size or 0)
        if window is None or _in_window(_pieces(kernel, base), initrd, window):
            return base, found
    except PlanError as error:
        if window is None:
            raise
        refusal = error
    for at in (base, *(bank.base for bank in banks[1:] if kernel.anywhere and not kernel.fixed)):
        pieces = _pieces(kernel, at)
        if _in_ram(pieces, banks):
            free = _in_free_ram(pieces, banks, window, initrd_size, dtb_size)
            if free is not None:
                return at, free
    pieces = _pieces(kernel, base)
    if refusal is not None and not _in_ram(pieces, banks):
        raise refusal
    raise PlanError(_does_not_fit(pieces, banks, window, initrd_size, dtb_size))


def _home(kernel: "Kernel", banks: Sequence[Bank]) -> Bank:
    """Return the bank that an arm32 guest is in: the lowest, or that of a file with fixed addresses."""
    address = kernel.pieces[0].address
    holding = (bank for bank in banks if kernel.fixed and bank.base <= address < bank.end)
    return next(holding, banks[0])


def _pieces(kernel: "Kernel", base: int) -> list[AddressRange]:
    """Return the pages of a kernel's pieces, lowest first."""
    found = []
    for piece in kernel.pieces:
        start = (base + piece.address) // PAGE_SIZE * PAGE_SIZE
        found.append(AddressRange(start, round_up(base + piece.end, PAGE_SIZE) - start))
    return found


def _in_ram(pieces: Sequence[AddressRange], banks: Sequence[Bank]) -> bool:
    return all(any(bank.base <= piece.base and piece.end <= bank.end for bank in banks) for piece in pieces)


def _in_window(pieces: Sequence[AddressRange], initrd: AddressRange | None, window: int) -> bool:
    """Return whether an aligned window of `window` bytes contains a kernel and its initrd."""
    if initrd is None:
        return True
    start = min(pieces[0].base, initrd.base) // _WINDOW_ALIGNMENT * _WINDOW_ALIGNMENT
    return max(pieces[-1].end, initrd.end) <= start + window


def _free(banks: Sequence[Bank], pieces: Sequence[AddressRange]) -> Iterator[AddressRange]:
    """Yield the free ranges of RAM beside a kernel, lowest first."""
    for bank in banks:
        at = bank.base
        for piece in pieces:
            if bank.base <= piece.base < bank.end:
                if at < piece.base:
                    yield AddressRange(at, piece.base - at)
                at = max(at, piece.end)
        if at < bank.end:
            yield AddressRange(at, bank.end - at)


def _in_free_ram(
    pieces: Sequence[AddressRange], banks: Sequence[Bank], window: int, initrd_size: int | None, dtb_size: int
) -> Placement | None:
    """Return the lowest place for each; the device tree goes behind the initrd if it fits there."""
    free = list(_free(banks, pieces))
    kernel, dtb_pages = pieces[0].base, round_up(dtb_size, PAGE_SIZE)
    if initrd_size is None:
        for gap in free:
            if dtb_pages <= gap.size:
                return Placement(
                    kernel=kernel, initrd=None, dtb=gap.base, reason=Reason.FREE, dtb_reason=Reason.FREE
                )
        return None
    initrd_pages = round_up(initrd_size, PAGE_SIZE)
    for gap in free:
        if initrd_pages > gap.size or not _in_window(pieces, AddressRange(gap.base, initrd_size), window):
            continue
        behind = AddressRange(gap.base + initrd_pages, gap.size - initrd_pages)
        for room, reason in (
            (behind, Reason.BEHIND_INITRD),
            *((other, Reason.FREE) for other in free if other != gap),
        ):
            if dtb_pages <= room.size:
                return Placement(
                    kernel=kernel, initrd=gap.base, dtb=room.base, reason=Reason.FREE, dtb_reason=reason
                )
    return None


def _does_not_fit(
    pieces: Sequence[AddressRange], banks: Sequence[Bank], window: int, initrd_size: int | None, dtb_size: int
) -> str:
    free = list(_free(banks, pieces))
    room = ", ".join(f"{exact_size_text(gap.size)} at {gap.base:#x}" for gap in free) or "nothing"
    text = f"{modules_text(initrd_size, dtb_size)} does not fit: free RAM beside the kernel: {room}"
    if initrd_size is not None and any(
        initrd_size <= gap.size and not _in_window(pieces, AddressRange(gap.base, initrd_size), window)
        for gap in free
    ):
        text += f"; the kernel and its initrd must be in one aligned window of {exact_size_text(window)}"
    return text
