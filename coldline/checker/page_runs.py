# SPDX-License-Identifier: GPL-2.0-or-later
"""Cuts a range of bytes into whole pages, and the parts of pages at its ends."""

from collections.abc import Iterator
from typing import NamedTuple

from coldline.events import PAGE_SIZE


class PageRun(NamedTuple):
    """Bytes `start` to `end` of a page, or of every page in a row of pages where `pages` is more than 1."""

    page: int
    pages: int
    start: int
    end: int


def pieces(start: int, end: int) -> Iterator[PageRun]:
    """Cut a range of bytes into a partial page, whole pages, and a partial page."""
    page, offset = divmod(start, PAGE_SIZE)
    last, tail = divmod(end, PAGE_SIZE)
    if page == last:
        yield PageRun(page, 1, offset, tail)
        return
    if offset:
        yield PageRun(page, 1, offset, PAGE_SIZE)
        page += 1
    if page < last:
        yield PageRun(page, last - page, 0, PAGE_SIZE)
    if tail:
        yield PageRun(last, 1, 0, tail)
