# SPDX-License-Identifier: GPL-2.0-or-later
"""The source of each rule: sections of the Arm ARM, and what they say, in our own words.

Numbers are those of DDI 0487 issue M. They change from issue to issue; titles do not. ``docs/reference/rules.md``
shows this table row by row beside the rules.
"""

from typing import NamedTuple

from coldline.rules.alphabet import Letter


class Section(NamedTuple):
    """A section of the Arm ARM DDI 0487; `number` is issue M's."""

    number: str
    title: str

    def __str__(self) -> str:
        return f'{self.number} "{self.title}"'


class Citation(NamedTuple):
    """The source of a rule.

    Attributes
    ----------
    heading : str
        The section of ``docs/reference/rules.md`` that has the rule.
    sections : tuple of Section
        The sections of the Arm ARM.
    says : str
        What they say that justifies the rule.
    """

    heading: str
    sections: tuple[Section, ...]
    says: str


HIERARCHY = Section("B2.7.2", "Memory hierarchy")
INTRODUCTION = Section("B2.7.1", "Introduction to caches")
FETCHES = Section("B2.7.4.2", "Synchronization and coherency issues between data and instruction accesses")
NORMAL = Section("B2.10.1", "Normal memory")
CACHEABILITY = Section("B2.10.1.3", "Cacheability attributes for Normal memory")
MISMATCHED = Section("B2.11", "Mismatched memory attributes")
BEHAVIOR = Section("D7.5.1", "General behavior of the caches")
ENABLING = Section("D7.5.5", "Enabling and disabling the caching of memory accesses")
NC_FETCHES = Section("D7.5.7", "Non-cacheable accesses and instruction caches")
TERMS = Section("D7.5.8.1", "Terms used in describing the cache maintenance instructions")
IC = Section("D7.5.9.1", "The instruction cache maintenance instruction (IC)")
DC = Section("D7.5.9.2", "The data cache maintenance instruction (DC)")
TO_POC = Section("D7.5.9.5", "Effects of instructions that operate by VA to the PoC")
TO_POU = Section("D7.5.9.11", "Effects of instructions that operate by VA to the PoU")
SETWAY = Section("D7.5.9.12", "Effects of All and set/way maintenance instructions")
BOUNDARY = Section("D7.5.9.14", "Boundary conditions for cache maintenance instructions")
EXAMPLE = Section("D7.5.9.16.1", "Example code for cache maintenance instructions")
SYSTEM = Section("D7.5.12", "System level caches")
ICACHES = Section("D8.18.2", "Instruction caches")
CTR = Section("D24.2.42", "CTR_EL0, Cache Type Register")

_EVICTION = "an entry that is not locked need not stay, nor stay dirty"
_SETWAY = "; set/way reaches the caches of one PE and no system cache, and a line may move meanwhile"
_SET = "a cacheable attribute at the current or a higher Exception level is what allows allocation"

STEPS_FROM: dict[str, Citation] = {
    "write back 1": Citation(
        "Steps",
        (BEHAVIOR, CTR),
        f"{_EVICTION}; what is written is up to a writeback granule (CWG), old bytes included",
    ),
    "drop 1": Citation("Steps", (BEHAVIOR,), _EVICTION),
    "write back 2": Citation(
        "Steps",
        (BEHAVIOR, MISMATCHED),
        f"{_EVICTION}; bytes that were written past the cache in the same granule may revert to old values",
    ),
    "drop 2": Citation("Steps", (BEHAVIOR,), _EVICTION),
    "drop I": Citation("Steps", (BEHAVIOR,), _EVICTION),
    "fill 2": Citation(
        "Steps",
        (BEHAVIOR, ENABLING),
        "what has a cacheable attribute may be allocated at any time, and nothing else; instruction accesses too "
        "are cached in unified caches, as SCTLR.I says",
    ),
    "fill 1": Citation(
        "Steps",
        (BEHAVIOR, NORMAL),
        "what has a cacheable attribute may be allocated at any time, and nothing else; reads may be speculative",
    ),
    "fill I": Citation(
        "Steps",
        (FETCHES, ICACHES),
        "how far ahead instructions are fetched is left open; DIC: no maintenance of instruction caches is needed "
        "(rule R_WNDVG)",
    ),
}
"""For each row of `rules.STEPS`."""

EFFECTS_FROM: dict[Letter, Citation] = {
    Letter.READ_WB: Citation(
        "Events",
        (INTRODUCTION,),
        "a cacheable access looks in the cache; a miss typically allocates the line",
    ),
    Letter.READ_WB_OTHER: Citation("Events", (INTRODUCTION,), "what is allocated is the line"),
    Letter.READ_NC: Citation(
        "Events", (BEHAVIOR,), "what is not cacheable is allocated in no data or unified cache"
    ),
    Letter.WRITE_WB: Citation(
        "Events",
        (TERMS, MISMATCHED),
        "an update may stay in a cache, unseen by who does not access that cache",
    ),
    Letter.WRITE_WB_OTHER: Citation(
        "Events", (BEHAVIOR, MISMATCHED), "an entry with a written location is written back whole"
    ),
    Letter.WRITE_WT: Citation(
        "Events",
        (CACHEABILITY,),
        "a completed write-through write is visible outside the cache without maintenance",
    ),
    Letter.WRITE_NC: Citation(
        "Events",
        (CACHEABILITY, MISMATCHED),
        "a completed non-cacheable write is visible outside the cache; to those who access the location cacheably, "
        "coherency may be lost",
    ),
    Letter.FETCH_WB: Citation(
        "Events", (FETCHES,), "instructions may be held, and need not be fetched again"
    ),
    Letter.FETCH_WB_OTHER: Citation("Events", (FETCHES, INTRODUCTION), "what is allocated is the line"),
    Letter.FETCH_NC: Citation(
        "Events",
        (NC_FETCHES,),
        "an instruction cache may hold it all the same: that is outside these rules",
    ),
    Letter.DC_CVAC: Citation(
        "Events", (TERMS, TO_POC, BOUNDARY), "updates become visible at the PoC, whatever the alias's type"
    ),
    Letter.DC_CIVAC: Citation("Events", (TERMS, TO_POC, BOUNDARY), "a clean, and at once an invalidate"),
    Letter.DC_IVAC: Citation(
        "Events",
        (TERMS, DC, TO_POC, BOUNDARY),
        "updates that were not cleaned may be lost; under a hypervisor (HCR_EL2.VM) it is a clean and invalidate",
    ),
    Letter.DC_CVAU: Citation("Events", (TERMS, TO_POU, BOUNDARY), "updates become visible at the PoU"),
    Letter.IC: Citation("Events", (IC, TO_POU, SETWAY), "entries up to the PoU are invalidated"),
    Letter.DC_CSW: Citation("Events", (SETWAY, SYSTEM, EXAMPLE), f"as dc cvac{_SETWAY}"),
    Letter.DC_CISW: Citation("Events", (SETWAY, SYSTEM, EXAMPLE), f"as dc civac{_SETWAY}"),
    Letter.DC_ISW: Citation("Events", (SETWAY, SYSTEM, EXAMPLE), f"as dc ivac{_SETWAY}"),
    Letter.SET_NONE: Citation("Settings", (BEHAVIOR,), _SET),
    Letter.SET_FETCH: Citation(
        "Settings", (BEHAVIOR, ENABLING), f"{_SET}; SCTLR.I is for instruction accesses"
    ),
    Letter.SET_DATA: Citation("Settings", (BEHAVIOR, ENABLING), f"{_SET}; SCTLR.C is for data accesses"),
    Letter.SET_BOTH: Citation("Settings", (BEHAVIOR, ENABLING), f"{_SET}; SCTLR.C and SCTLR.I"),
}
"""For each row of `rules.EFFECTS`."""

COPIES_READ_FROM: dict[Letter, Citation] = {
    Letter.READ_WB: Citation(
        "Events", (INTRODUCTION, HIERARCHY), "a hit is served by the cache, the nearest level first"
    ),
    Letter.READ_NC: Citation(
        "Events",
        (CACHEABILITY, MISMATCHED),
        "it sees what has reached memory; beside cacheable aliases coherency may be lost, and nc-may-hit has that "
        "a cached copy may be returned as well",
    ),
    Letter.FETCH_WB: Citation(
        "Events",
        (FETCHES, CTR),
        "data must be cleaned to the PoU unless IDC, and the instruction cache invalidated unless DIC, before a "
        "fetch is sure to see a write",
    ),
    Letter.FETCH_NC: Citation("Events", (NC_FETCHES, ENABLING), "it goes past data and unified caches"),
}
"""For each row of `line_rules.COPIES_READ`."""
