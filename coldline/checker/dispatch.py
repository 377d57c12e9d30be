# SPDX-License-Identifier: GPL-2.0-or-later
"""What `Pages` makes of events, as arrays for compiled code."""

import weakref
from typing import TYPE_CHECKING

import numpy as np

from coldline.arm import MemoryType
from coldline.checker.state.page_classes import NOBODY, Refusal, maintenance_letter, walk_letter
from coldline.events import PAGE_SIZE, Event, Op
from coldline.events.batch import pack_attributes
from coldline.events.layout import TYPE_MASK
from coldline.rules.letters import Letter
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.checker.interpreter import Follower

SLOW = 255
"""In place of a letter: there is something to think about."""

LINE_OPS = int(Op.IC_IVAU) + 1
"""Operations below are those that touch the lines of a range of bytes."""

UNMAP_CODE = 16
_TYPED_BY_ALIAS = (Op.READ, Op.WRITE, Op.FETCH, Op.DC_ZVA)


class Letters:
    """What `Pages` makes of events.

    Parameters
    ----------
    checker : Follower
        Whose pages they are.

    Attributes
    ----------
    accesses : ndarray of uint8, shape (classes, agents, ops)
        The letter of an access; `SLOW` where there is something to think about, and where nobody has yet.
    walks : ndarray of uint8, shape (agents, 1 + types)
        The letter of a walk.
    moves : ndarray of int32, shape (classes, agents, attributes)
        The class of a page after a map, or after an unmap at `UNMAP_CODE`; -1 where nobody knows yet.
    settings : ndarray of uint8, shape (classes,)
        The letter of each class's setting.
    maintenance : ndarray of uint8, shape (ops,)
        The letter of a maintenance operation.
    """

    def __init__(self, checker: "Follower") -> None:
        self._checker: Follower = weakref.proxy(checker)
        self.maintenance: NDArray[np.uint8] = _maintenance_letters(checker.profile)
        self._start()

    def think(self, event: Event, where: int) -> None:
        """Let the checker take an event, and learn from it."""
        checker = self._checker
        page = event.address // PAGE_SIZE
        one_page = event.op in (Op.MAP, Op.UNMAP) and event.size == PAGE_SIZE
        before = checker.memory.page_class(page) if one_page else NOBODY
        checker.event(event, where)
        if self.refresh():
            return
        if event.op in _TYPED_BY_ALIAS:
            agent = checker.pages.agent(event.agent)
            for place in (event.address, event.address + event.size - 1):
                page_class = checker.memory.page_class(place // PAGE_SIZE)
                self.accesses[page_class, agent, event.op] = self._letter(page_class, agent, event.op)
        if one_page:
            code = UNMAP_CODE
            if event.memory_type is not None:
                code = pack_attributes(event.memory_type, event.executable)
            agent = checker.pages.agent(event.agent)
            self.moves[before, agent, code] = checker.memory.page_class(page)

    def refresh(self) -> bool:
        """Take in what has changed; whether that was more than new classes."""
        pages = self._checker.pages
        if pages.switches != self._switches or len(pages.agents) != len(self.walks):
            self._start()
            return True
        self._grow()
        return False

    def _start(self) -> None:
        self._switches = self._checker.pages.switches
        agents = len(self._checker.pages.agents)
        self.accesses: NDArray[np.uint8] = np.zeros((0, agents, Op.DC_ZVA + 1), np.uint8)
        self.moves: NDArray[np.int32] = np.zeros((0, agents, UNMAP_CODE + 1), np.int32)
        self.settings: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.walks: NDArray[np.uint8] = np.full((agents, TYPE_MASK + 1), SLOW, np.uint8)
        for number, agent in enumerate(self._checker.pages.agents):
            if agent.mmu:
                for memory_type in MemoryType:
                    self.walks[number, 1 + memory_type] = walk_letter(memory_type)
        self._grow()

    def _grow(self) -> None:
        """Make room for the classes that are new."""
        pages = self._checker.pages
        known, wanted = len(self.settings), len(pages.classes)
        if known == wanted:
            return
        size = wanted + wanted // 2 + 16
        agents = len(pages.agents)
        if size > len(self.accesses):
            accesses = np.full((size, agents, Op.DC_ZVA + 1), SLOW, np.uint8)
            moves = np.full((size, agents, UNMAP_CODE + 1), -1, np.int32)
            accesses[:known], moves[:known] = self.accesses[:known], self.moves[:known]
            self.accesses, self.moves = accesses, moves
        self.settings = np.array([Letter.of_setting(setting) for setting in pages.settings], np.uint8)

    def _letter(self, page_class: int, agent: int, op: Op) -> int:
        pages = self._checker.pages
        letter = pages.letter(page_class, agent, op)
        if isinstance(letter, Refusal):
            return SLOW
        unseen = not pages.alias(page_class, agent).fetched
        if op is Op.FETCH and not pages.agents[agent].mmu and unseen:
            return SLOW
        return letter


def _maintenance_letters(profile: Profile) -> "NDArray[np.uint8]":
    table = np.full(LINE_OPS, SLOW, np.uint8)
    for op in Op:
        letter = maintenance_letter(op, profile)
        if letter is not None and op < LINE_OPS:
            table[op] = letter
    return table
