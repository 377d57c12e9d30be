# SPDX-License-Identifier: GPL-2.0-or-later
"""``--with`` of ``coldline boot``: operations that are added to the guest's code."""

import argparse
import re
from typing import TYPE_CHECKING, Final

from coldline.errors import TraceError, UsageError
from coldline.events import Event, Op
from coldline.events.agent_names import vcpu_name
from coldline.events.op import Kind
from coldline.frontends.unicorn import Outcome
from coldline.frontends.unicorn.additions import Addition, CodePlace
from coldline.guest import Plan
from coldline.report.added import AddedOperations
from coldline.report.phrases import added_words
from coldline.trace.text import parse_event

if TYPE_CHECKING:
    from coldline.symbols.symbols import Symbols

_FORM: Final = "'OP ADDRESS SIZE at pc PC#N on cpuK', such as 'dc ivac 0x40205000 0x5000 at pc 0x40008010#1'"
_PLACE: Final = re.compile(
    r"(?P<operations>.*?)\s+at\s+pc\s+(?P<where>[^\s#]+)(?:\s*#(?P<count>[0-9]{1,18}))?(?:\s+on\s+cpu(?P<core>[0-9]{1,3}))?"
)
_WHERE: Final = re.compile(r"(?P<name>[^\s+0-9][^\s+]*?)(?:\+(?P<offset>0x[0-9a-fA-F]{1,16}|[0-9]{1,18}))?")
_NUMBER: Final = re.compile(r"0x[0-9a-fA-F]{1,16}|[0-9]{1,18}")
_SET_WAY: Final = frozenset({Op.DC_ISW, Op.DC_CSW, Op.DC_CISW})
_OPERATIONS: Final = frozenset(op for op in Op if op.kind in (Kind.MAINTENANCE, Kind.BARRIER)) - _SET_WAY
_MOST: Final = 64


def additions_of(options: argparse.Namespace, plan: Plan, symbols: "Symbols | None") -> tuple[Addition, ...]:
    """The operations of ``--with``, each with its place.

    Raises
    ------
    UsageError
        If one is not of that form, or its place or its range cannot be.
    """
    texts: list[str] = options.insert or []
    if len(texts) > _MOST:
        raise UsageError(f"--with can be given {_MOST} times, not {len(texts)}")
    return tuple(_addition(text, plan, symbols) for text in texts)


def _addition(text: str, plan: Plan, symbols: "Symbols | None") -> Addition:
    found = _PLACE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--with '{text}': expected {_FORM}")
    count, core = int(found["count"] or 1), int(found["core"] or 0)
    if count == 0:
        raise UsageError(f"--with '{text}': the first time is #1")
    if core >= plan.vcpus:
        raise UsageError(f"--with '{text}': there is no cpu{core}, as the guest has --vcpus {plan.vcpus}")
    events = tuple(_event(text, words, plan, core) for words in found["operations"].split(";"))
    pcs = _pcs(text, found["where"], symbols)
    if plan.architecture == "arm32":
        pcs = tuple(dict.fromkeys(pc & ~1 for pc in pcs))
    return Addition(CodePlace(pcs, count, core), events)


def _event(text: str, words: str, plan: Plan, core: int) -> Event:
    agent = vcpu_name(core)
    if not words.split():
        raise UsageError(f"--with '{text}': an operation is missing; expected {_FORM}")
    try:
        event = parse_event([agent, *words.split()], frozenset(Op))
    except TraceError as error:
        raise UsageError(f"--with '{text}': {error.reason}") from None
    if event.op not in _OPERATIONS:
        raise UsageError(
            f"--with '{text}': '{event.op.words}' is neither maintenance by address, nor ic iallu, nor a barrier"
        )
    if event.op.has_range and not any(
        bank.base <= event.address and event.address + event.size <= bank.base + bank.size
        for bank in plan.banks
    ):
        raise UsageError(
            f"--with '{text}': {event.address:#x} to {event.address + event.size - 1:#x} is not in the guest's RAM"
        )
    return event


def _pcs(text: str, where: str, symbols: "Symbols | None") -> tuple[int, ...]:
    if _NUMBER.fullmatch(where):
        pc = int(where, 0) if where.startswith("0x") else int(where)
        if pc >> 64:
            raise UsageError(f"--with '{text}': {where} is no address")
        return (pc,)
    found = _WHERE.fullmatch(where)
    if found is None:
        raise UsageError(f"--with '{text}': '{where}' is neither an address nor SYMBOL+OFFSET")
    if symbols is None:
        raise UsageError(
            f"--with '{text}': the guest has no symbols to look '{where}' up in: give --symbols FILE"
        )
    pcs = symbols.addresses_of(found["name"])
    if not pcs:
        raise UsageError(f"--with '{text}': no function is called '{found['name']}'")
    offset = found["offset"] or "0"
    return tuple(pc + int(offset, 0 if offset.startswith("0x") else 10) for pc in pcs)


def added_operations(
    options: argparse.Namespace, additions: tuple[Addition, ...], outcome: Outcome
) -> tuple[AddedOperations, ...]:
    """What was added in a run, and what was not."""
    return tuple(
        AddedOperations(
            text=" ".join(text.split()),
            operations=tuple(str(event) for event in addition.events),
            pcs=addition.place.pcs,
            count=addition.place.nth,
            core=addition.place.core,
            reached=reached,
        )
        for text, addition, reached in zip(options.insert or [], additions, outcome.reached, strict=False)
    )


def not_added(added: tuple[AddedOperations, ...]) -> list[str]:
    """The gaps of a run in which places were not reached: see `coldline.verdict.Judgement`."""
    return [added_words(each) for each in added if not each.was_added]
