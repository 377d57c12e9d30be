# SPDX-License-Identifier: GPL-2.0-or-later
"""Spin's verdict on traces, from the Promela model in ``tests/oracles/promela``.

The model is the third implementation of ``rules.md``; this module prepares a trace's text for it. It has no
rules of caches, types or fills: it cuts a trace into *stories*, for each line that some event checks the events
that concern the line or its page, and gives many stories to one run of one compiled verifier. It reads the text by
itself, after ``docs/reference/trace-format.md``, and expects a trace without errors.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent / "promela"
MODEL = FOLDER / "page.pml"


def codes_of(model: Path) -> dict[str, int]:
    """Return the numbers that a model defines, by their names."""
    found = re.findall(r"^#define (\w+) +(\d+)\b", model.read_text(), re.MULTILINE)
    return {name: int(value) for name, value in found}


CODES = codes_of(MODEL)
PAGE = 4096
ZVA_BLOCK = 64
GRANULE = 64
"""What an operation by address is sure of, in bytes: it does perhaps what it does to the rest of a longer line."""

BY_ADDRESS = ("DC_CVAC", "DC_CIVAC", "DC_IVAC", "DC_CVAU", "IC")
MOST_PIECES = 31
DEEPEST = 200_000
WHOLE = ("\nFull statespace search for:\n", " errors: 0\n")
CUT_SHORT = ("Search not completed", "search depth too small")
CHECKED = ("READ", "WALK", "FETCH")
SWITCHES = ("MMU", "ICACHE", "DCACHE")
OPTIONS = ("nc-may-hit", "setway-effective", "idc", "dic")
KINDS = {CODES[name]: name.lower().replace("_", "-") for name in ("STALE_READ", "STALE_FETCH", "LOST_WRITE")}


class Hazard(NamedTuple):
    """One hazard; compares equal to the explorer's; ``address`` and ``size`` are in bytes."""

    line: int
    kind: str
    agent: str
    address: int
    size: int


class SearchError(Exception):
    """Spin's search was not complete."""


class Event(NamedTuple):
    """A line of a trace; the bytes are those from ``start`` to before ``end``."""

    number: int
    agent: str
    what: str
    start: int = 0
    end: int = 0
    type: str = ""
    on: bool = False


class Item(NamedTuple):
    """An event of a story: on one of its lines, by the line's address, or on none (None)."""

    event: Event
    line: int | None


class Story(NamedTuple):
    """
    The events that concern some lines of a page, for the model.

    Parameters
    ----------
    told : str
        The events in the model's form.
    items : list of Item
        The events in it.
    cuts : list of int
        The start of the piece of a line for each bit of a mask, in bytes, and the end of the last piece.
    """

    told: str
    items: list[Item]
    cuts: list[int]


class Bad(NamedTuple):
    """A hazard of a story: its place, its kind, and the mask of the pieces that may be bad."""

    item: Item
    kind: str
    pieces: int


# -- from a text to stories ----------------------------------------------------------------------------------------


def _event(number: int, words: list[str]) -> Event:
    agent, op, *rest = words
    if op in ("dc", "ic"):
        what, rest = f"{op}_{rest[0]}".upper(), rest[1:]
    else:
        what = op.upper()
    if what in SWITCHES:
        return Event(number, agent, what, on=rest == ["on"])
    if what in ("IC_IALLU", "IC_IALLUIS"):
        return Event(number, agent, "IC", 0, 1 << 52)
    start = int(rest[0], 0)
    end = start + int(rest[1], 0)
    if what == "IC_IVAU":
        what = "IC"
    elif what == "DC_ZVA":
        what, start, end = "WRITE", start // ZVA_BLOCK * ZVA_BLOCK, -(-end // ZVA_BLOCK) * ZVA_BLOCK
    kind = rest[2].upper().replace("-", "_") if rest[2:] else ""
    return Event(number, agent, what, start, end, kind, on=rest[3:] == ["exec"])


def read(text: str) -> tuple[int, tuple[bool, ...], list[Event]]:
    """Return a trace's line size in bytes, its options in the order of ``OPTIONS``, and its events."""
    size = 64
    options = set()
    events = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "line":
            size = int(words[1], 0)
        elif words[0] == "option":
            options.add(words[1])
        else:
            events.append(_event(number, words))
    return size, tuple(option in options for option in OPTIONS), events


def _touches(event: Event, base: int, size: int) -> bool:
    return event.start < base + size and base < event.end


def _bears_on(event: Event, base: int, size: int) -> bool:
    """Whether an event can matter for a line: for its copies, or for its fills."""
    page = base // PAGE * PAGE
    if event.what in SWITCHES:
        return True
    if event.what in ("MAP", "UNMAP"):
        return _touches(event, page, PAGE)
    if event.what == "FETCH":
        return _touches(event, page - PAGE, 2 * PAGE)
    return _touches(event, base, size)


def _items(lines: Sequence[int], size: int, events: Iterable[Event]) -> list[Item]:
    """Yield the events that concern some lines of one page, an item for each line that an event touches."""
    items = []
    for event in events:
        touched = [base for base in lines if _touches(event, base, size)]
        if event.what in (*SWITCHES, "MAP", "UNMAP"):
            touched = []
        items += [Item(event, base) for base in touched]
        if not touched and any(_bears_on(event, base, size) for base in lines):
            items.append(Item(event, None))
    while items and (items[-1].line is None or items[-1].event.what not in CHECKED):
        items.pop()  # nothing is checked from there on
    return items


def story_of(
    lines: Sequence[int],
    size: int,
    options: Sequence[bool],
    events: Iterable[Event],
    granule: tuple[int, int] | None = None,
) -> Story:
    """
    Make the story of some lines of one page.

    Parameters
    ----------
    lines : sequence of int
        The lines' addresses.
    size : int
        The size of a line, in bytes.
    options : sequence of bool
        The profile's options, in the order of ``OPTIONS``.
    events : iterable of Event
        The trace's events.
    granule : tuple of int, optional
        The start and the end, in a line, of the bytes to follow: all of them by default.

    Raises
    ------
    ValueError
        If the lines are cut into more pieces than a mask has bits.
    """
    items = _items(lines, size, events)
    low, high = granule or (0, size)
    spans = [
        (item.event.start - item.line, item.event.end - item.line) for item in items if item.line is not None
    ]
    cuts = sorted({low, high, *(min(max(cut, low), high) for span in spans for cut in span)})
    if len(cuts) - 1 > MOST_PIECES:
        raise ValueError(
            f"{lines[0]:#x}: {len(cuts) - 1} pieces of a line, and a mask has {MOST_PIECES} bits"
        )
    names = sorted({item.event.agent for item in items})
    told = [f"{' '.join(str(int(option)) for option in options)} {len(items)}"]
    for event, line in items:
        where, mask, perhaps = CODES["NOWHERE"], 0, False
        if line is not None:
            perhaps = event.what in BY_ADDRESS and not _touches(event, line + low, high - low)
            where = lines.index(line)
            mask = sum(
                1 << bit
                for bit, (first, last) in enumerate(pairwise(cuts))
                if event.start < line + last and line + first < event.end
            )
        numbers = (
            CODES[event.what],
            names.index(event.agent),
            where,
            CODES.get(event.type, 0),
            event.on or perhaps,
            mask,
        )
        told.append(" ".join(str(int(number)) for number in numbers))
    return Story("\n".join(told) + "\n", items, cuts)


def _by_page(pages: set[int], events: Iterable[Event]) -> dict[int, list[Event]]:
    """Sort events by their pages, and by the pages just after; switches belong to every page."""
    near: dict[int, list[Event]] = {page: [] for page in pages}
    for event in events:
        first, last = event.start // PAGE, (event.end - 1) // PAGE + 1
        everywhere = event.what in SWITCHES or last - first > len(pages)
        for page in pages if everywhere else range(first, last + 1):
            if page in near:
                near[page].append(event)
    return near


def stories_of(text: str) -> list[Story]:
    """Make a story of each granule of a line that some event checks: without a check there is no hazard."""
    size, options, events = read(text)
    step = min(size, GRANULE)
    granules = {
        start
        for event in events
        if event.what in CHECKED
        for start in range(event.start // step * step, event.end, step)
    }
    near = _by_page({start // PAGE for start in granules}, events)
    return [
        story_of(
            [start - start % size], size, options, near[start // PAGE], (start % size, start % size + step)
        )
        for start in sorted(granules)
    ]


# -- from stories to hazards ---------------------------------------------------------------------------------------


class Spin:
    """
    The verifier that Spin makes of the model, compiled.

    Parameters
    ----------
    folder : Path
        The folder for it; it takes a few MB.
    lines : int
        How many lines a story may have.
    agents : int
        How many agents.
    memory : int
        The most memory that it may use, in MB.
    quickly : bool
        Whether to make the compilation fast instead of the search.
    model : Path
        The model.
    """

    def __init__(
        self,
        folder: Path,
        *,
        lines: int = 1,
        agents: int = 8,
        memory: int = 2000,
        quickly: bool = False,
        model: Path = MODEL,
    ) -> None:
        for file in FOLDER.iterdir():
            shutil.copy(file, folder)
        sizes = [f"-DLINES={lines}", f"-DAGENTS={agents}"]
        self.program = folder / "pan"
        self.output = ""
        spin = ["spin", "-a", *sizes, model.name]
        gcc = ["gcc", "-O0" if quickly else "-O2", "-DSAFETY", "-DNOFAIR", "-DNOREDUCE", f"-DMEMLIM={memory}"]
        for command in (spin, [*gcc, "-o", self.program.name, "pan.c"]):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SearchError(f"{command[0]}: {done.stdout}{done.stderr}")

    @staticmethod
    def is_here() -> bool:
        """Whether Spin and the compiler that it needs are installed."""
        return all(map(shutil.which, ("spin", "gcc")))

    def run(self, stories: Sequence[Story], *, seconds: float | None = None) -> list[list[Bad]]:
        """
        Search all possible behaviours in some stories.

        Returns
        -------
        list of list of Bad
            The hazards of each story.

        Raises
        ------
        SearchError
            If the search was not exhaustive, or a story has an event that cannot happen.
        subprocess.TimeoutExpired
            If it took longer than `seconds`.
        """
        if not stories:
            return []
        told = f"{len(stories)}\n{''.join(story.told for story in stories)}"
        done = subprocess.run(
            [self.program, "-E", f"-m{DEEPEST}", "-w22"],
            cwd=self.program.parent,
            input=told,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        self.output = done.stdout + done.stderr
        whole = all(sign in done.stdout for sign in WHOLE) and not any(
            sign in self.output for sign in CUT_SHORT
        )
        if done.returncode or not whole:
            raise SearchError(self.output)
        ended = {int(story) for story in re.findall(r"^end (\d+)$", done.stdout, re.MULTILINE)}
        for number, story in enumerate(stories):
            if number not in ended:
                raise SearchError(f"a story that gets stuck:\n{story.told}")
        bad: dict[tuple[int, int, int], int] = {}
        for words in re.findall(r"^hazard (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE):
            number, past, kind, mask = map(int, words)
            bad[number, past, kind] = mask
        found: list[list[Bad]] = [[] for _ in stories]
        for (number, past, kind), mask in bad.items():
            found[number].append(Bad(stories[number].items[past], KINDS[kind], mask))
        return found

    def explore(self, texts: Sequence[str]) -> list[list[Hazard]]:
        """Return every hazard of each of some traces, in the order of docs/reference/trace-format.md."""
        stories = [stories_of(text) for text in texts]
        results = iter(self.run([story for told in stories for story in told]))
        return [
            in_order(
                _by_line(read(text)[0], (bad for story in told for bad in hazards_of(story, next(results))))
            )
            for text, told in zip(texts, stories, strict=True)
        ]


def hazards_of(story: Story, found: Iterable[Bad]) -> list[Hazard]:
    """Convert a story's hazards to hazards of the trace."""
    hazards = []
    for item, kind, mask in found:
        assert item.line is not None
        first = story.cuts[(mask & -mask).bit_length() - 1]
        last = story.cuts[mask.bit_length()]
        hazards.append(Hazard(item.event.number, kind, item.event.agent, item.line + first, last - first))
    return hazards


def _by_line(size: int, hazards: Iterable[Hazard]) -> list[Hazard]:
    """Join the hazards of one line's granules."""
    joined: dict[tuple[int, str, int], Hazard] = {}
    for hazard in hazards:
        key = hazard.line, hazard.kind, hazard.address // size
        start = joined.get(key, hazard).address
        joined[key] = hazard._replace(address=start, size=hazard.address + hazard.size - start)
    return list(joined.values())


def in_order(hazards: Iterable[Hazard]) -> list[Hazard]:
    """Sort hazards into the order of docs/reference/trace-format.md."""
    return sorted(hazards, key=lambda hazard: (hazard.line, hazard.address, hazard.kind))
