# SPDX-License-Identifier: GPL-2.0-or-later
"""The results of `PageClasses` for events, as arrays for compiled code."""

from typing import TYPE_CHECKING

import numpy as np

from coldline.arm import MemoryType
from coldline.checker.compiled import frame
from coldline.checker.compiled.frame import DSB_CODE, MOVES, TO_INTERPRETER
from coldline.checker.state.access_letters import Refusal
from coldline.checker.state.page_classes import PageClasses
from coldline.checker.state.transitions import Tables
from coldline.events import Event, Op
from coldline.events.attributes import pack_attributes
from coldline.events.layout import ATTRIBUTES_MASK, OP_MASK
from coldline.events.op import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray


_THROUGH, _PAST_LEVEL1 = 1, 2
"""The bits of a page that is walked again: through the caches, and past level 1."""

_MOVE_CODES = {
    Op.UNMAP: frame.UNMAP_CODE,
    Op.DESCRIPTOR: frame.DESCRIPTOR_CODE,
    Op.TLBI: frame.TLBI_CODE,
}
"""The events of single pages that change their classes, apart from maps."""

_DATA_ACCESSES = (Op.READ, Op.POLL, Op.WRITE, Op.DC_ZVA)
"""They have three letters for the bytes of a line where there are granules, which loops do not know."""


class DispatchTables:
    """The results of `PageClasses` for events, added as the interpreter takes each kind of event for the first time.

    So by the rules of order, an agent's first event is the interpreter's, which notes that the agent has begun.

    Parameters
    ----------
    page_classes : PageClasses
        The agents and the classes of pages.
    transitions : Tables
        The rows of letters.

    Attributes
    ----------
    actions : ndarray of uint8, shape (256,)
        An operation's kind for a loop: an action of `coldline.checker.compiled.frame`.
    accesses : ndarray of uint8, shape (classes, agents, ops)
        The letter of an access; `TO_INTERPRETER` if the interpreter has to take it, or has not taken such a one yet.
    walks : ndarray of uint8, shape (agents, attributes)
        The letter of a walk.
    comes : ndarray of uint8, shape (agents, attributes)
        The bit that a page must have in `walked`, or the interpreter has to take a walk of it: 0 if it need not.
    walked : ndarray of uint8, shape (classes, agents)
        How the agent may walk the pages of a class again: bit 0, through the caches; bit 1, past level 1. A walk that
        comes after a TLBI that is not complete changes something.
    moves : ndarray of int32, shape (classes, agents, attributes)
        The class of a page after a map, or after what one of the codes of `frame` says; -1 if the interpreter has
        not taken such a one yet.
    barriers : ndarray of uint8, shape (agents, ops)
        The letter of a barrier.
    settings : ndarray of uint8, shape (classes,)
        The letter of each class's setting.
    endings : ndarray of uint8, shape (classes,)
        Whether a DSB may end a mapping of each class, or its walks.
    maintenance : ndarray of uint8, shape (ops,)
        The letter of a maintenance operation, where that does not depend on the page and the agent.
    """

    def __init__(self, page_classes: PageClasses, transitions: Tables) -> None:
        self._page_classes = page_classes
        self._transitions = transitions
        vocabulary = page_classes.vocabulary
        by_alias = vocabulary.by_alias
        self.actions: NDArray[np.uint8] = _actions(by_alias=by_alias, barriers=vocabulary.barriers)
        if transitions.granules:
            self.actions[list(_DATA_ACCESSES)] = frame.INTERPRET_EVENT
        self.maintenance: NDArray[np.uint8] = np.full(len(Op), TO_INTERPRETER, np.uint8)
        for op in Op:
            if op.kind is Kind.MAINTENANCE and not by_alias:
                letter = page_classes.maintenance(op, 0)
                assert letter is not None
                self.maintenance[op] = transitions.number(letter)
        self._start()

    def learn_access(self, page_class: int, agent: int, op: Op) -> None:
        """Record the letter of an access to pages of a class."""
        page_classes = self._page_classes
        letter = page_classes.letter(page_class, agent, op)
        if isinstance(letter, Refusal) or op is Op.POLL:
            return
        first_fetch = op is Op.FETCH and not page_classes.alias(page_class, agent).fetched
        if not first_fetch or not page_classes.agents[agent].may_be_off:
            self.accesses[page_class, agent, op] = self._transitions.number(letter)

    def learn_walk(self, event: Event, agent: int) -> None:
        """Record the letter of a walk: one of cacheable type with SCTLR.C clear once the interpreter has warned."""
        code = pack_attributes(*event.attributes)
        self.walks[agent, code] = self._transitions.number(self._page_classes.walk(event, agent))
        if self._page_classes.may_come_again(event, agent):
            self.comes[agent, code] = _PAST_LEVEL1 if event.pou else _THROUGH

    def learn_move(self, before: int, agent: int, event: Event, after: int) -> None:
        """Record the class that an event of one page gives a page of class `before`."""
        code = _MOVE_CODES.get(event.op)
        if event.memory_type is not None:
            if event.op is not Op.MAP or event.outer_type is not None:
                return  # the loop leaves it to the interpreter
            code = pack_attributes(*event.attributes)
        self.moves[before, agent, code] = after

    def learn_barrier(self, agent: int, op: Op) -> None:
        """Record the letter of a barrier."""
        letter = self._page_classes.maintenance(op, agent)
        assert letter is not None
        self.barriers[agent, op] = self._transitions.number(letter)
        if op is not Op.DSB or not self._page_classes.has_endings:
            return
        core, ending = self._page_classes.vocabulary.core_of(agent), 0
        while ending < len(self._page_classes.classes):
            if self._page_classes.waits(ending):
                moved = self._page_classes.translations_after(lambda each: each.after_dsb(core), [ending])
                self._grow()
                self.moves[ending, agent, DSB_CODE] = moved.get(ending, ending)
            ending += 1

    def refresh(self) -> bool:
        """Update the arrays; return whether more than new classes had changed."""
        page_classes = self._page_classes
        restart = page_classes.switches != self._switches or len(page_classes.agents) != len(self.walks)
        if page_classes.has_owners and self.actions[Op.WALK] == frame.READ_TABLE:
            self.actions[Op.WALK] = frame.INTERPRET_EVENT  # its letter depends on the page
            restart = True
        if restart:
            self._start()
            return True
        self._grow()
        return False

    def _start(self) -> None:
        self._switches = self._page_classes.switches
        agents = len(self._page_classes.agents)
        self.accesses: NDArray[np.uint8] = np.zeros((0, agents, len(Op)), np.uint8)
        self.moves: NDArray[np.int32] = np.zeros((0, agents, MOVES), np.int32)
        self.settings: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.walked: NDArray[np.uint8] = np.zeros((0, agents), np.uint8)
        self.barriers: NDArray[np.uint8] = np.full((agents, len(Op)), TO_INTERPRETER, np.uint8)
        self.walks: NDArray[np.uint8] = np.full((agents, ATTRIBUTES_MASK + 1), TO_INTERPRETER, np.uint8)
        self.comes: NDArray[np.uint8] = np.zeros((agents, ATTRIBUTES_MASK + 1), np.uint8)
        for number, agent in enumerate(self._page_classes.agents):
            if agent.mmu and agent.begun:
                for memory_type in MemoryType:
                    if agent.dcache or not memory_type.cacheable:
                        self.learn_walk(Event(agent.name, Op.WALK, memory_type=memory_type), number)
        self._grow()

    def _grow(self) -> None:
        """Make room for new classes."""
        page_classes = self._page_classes
        known, wanted = len(self.settings), len(page_classes.classes)
        if known == wanted:
            return
        size = wanted + wanted // 2 + 16
        agents = len(page_classes.agents)
        if size > len(self.accesses):
            accesses = np.full((size, agents, len(Op)), TO_INTERPRETER, np.uint8)
            moves = np.full((size, agents, MOVES), -1, np.int32)
            accesses[:known], moves[:known] = self.accesses[:known], self.moves[:known]
            self.accesses, self.moves = accesses, moves
            walked = np.zeros((size, agents), np.uint8)
            walked[:known] = self.walked[:known]
            self.walked = walked
        for number in range(known, wanted):
            for agent, alias in page_classes.classes[number]:
                through = _THROUGH if alias.walked == frozenset() else 0
                past = _PAST_LEVEL1 if alias.walked_pou == frozenset() else 0
                self.walked[number, agent] = through | past
        self.settings = np.array(
            [self._transitions.number(setting) for setting in page_classes.settings], np.uint8
        )
        self.endings: NDArray[np.uint8] = np.array(
            [page_classes.waits(each) for each in range(wanted)], np.uint8
        )


def _actions(*, by_alias: bool, barriers: bool) -> "NDArray[np.uint8]":
    """The kind of each operation, by its traits; unknown numbers are left to the interpreter.

    `by_alias` says whether the letter of maintenance depends on the agent's alias, `barriers` whether there are any.
    """
    table = np.full(OP_MASK + 1, frame.INTERPRET_EVENT, np.uint8)
    for op in Op:
        traits = op.traits
        if op is Op.DC_ZVA:
            table[op] = frame.ZERO
        elif traits.by_alias:
            table[op] = frame.ACCESS
        elif op is Op.WALK:
            table[op] = frame.READ_TABLE
        elif traits.kind is Kind.MAINTENANCE and traits.has_range:
            table[op] = frame.MAINTAIN_THROUGH if by_alias else frame.MAINTAIN
        elif op is Op.MAP or op in _MOVE_CODES:
            table[op] = frame.MOVE
        elif traits.kind is Kind.BARRIER and barriers:
            table[op] = frame.BARRIER
    return table
