# SPDX-License-Identifier: GPL-2.0-or-later
"""Each row of the tables from events to letters matters: with the next one's content, some trace has other hazards.

The traces are those of ``row_traces.py``. The explorer judges them, too.
"""

import importlib
import operator
from collections.abc import Iterator
from typing import Any

import pytest

from coldline.checker.coverage import Coverage
from coldline.errors import TraceError
from coldline.rules import automaton
from coldline.rules.order import machine, virtual_caches
from coldline.rules.order.alphabet import CHECKED, UNORDERED, Act
from coldline.rules.order.at_once import AT_ONCE
from coldline.rules.order.effects import ORDERED_EFFECTS
from coldline.support import cache_folder
from tests.helpers.checking import check_text, checker_of
from tests.oracles import explorer, order_explorer
from tests.rules.row_traces import INSTEAD, JUDGED, OF_ROWS, in_lines, trace_of

TABLES = {
    "coldline.rules.alphabet": ("OTHER", "PERHAPS"),
    "coldline.rules.order.alphabet": ("AS_OTHER", "AS_FAR", "POLLS", "AS_CHECKED"),
    "coldline.rules.order.virtual_caches": ("LABELLED", "LABELLED_AT_ONCE"),
    "coldline.rules.order.maintenance_queue": ("_STRENGTH",),
    "coldline.checker.state.letters": (
        *("MAINTENANCE_LETTERS", "EFFECTIVE_SETWAY", "ACCESS_ACTS", "WALK_ACTS", "MAY_HIT_ACTS"),
        *("LABELLED_ACTS", "CLEANING_OPS", "OPERATION_ACTS", "OF_MASTERS"),
    ),
    "coldline.checker.state.learned_tables": ("_BARRIER_BITS",),
}
OF_OTHER_BYTES = ("AS_OTHER", "AS_FAR")
"""Their acts are never checked, so that two of them with the same effects are the same."""

ROWS = [
    pytest.param(module, table, row, id=f"{table} {row.name}")
    for module, tables in TABLES.items()
    for table in tables
    for row in getattr(importlib.import_module(module), table)
    if f"{table} {row.name}" in OF_ROWS
]
Found = list[Any] | str


def found_in(text: str) -> Found:
    """The hazards of a trace, by rules that are worked out anew, or the error that it is."""
    forget()
    try:
        return sorted(map(tuple, check_text(text)))
    except TraceError as error:
        return str(error)
    except (KeyError, AssertionError) as error:  # by a table that is wrong
        return repr(error)


def forget() -> None:
    machine.order_machine.cache_clear()
    automaton._known.cache_clear()


def is_same(one: Any, other: Any) -> bool:
    """Whether two rows say the same: acts do if their effects are made alike."""
    if isinstance(one, Act) and isinstance(other, Act) and one not in virtual_caches.LABELLED:
        return one == other or all(
            _made_of(table.get(one)) == _made_of(table.get(other)) for table in (ORDERED_EFFECTS, AT_ONCE)
        )
    return bool(one == other)


def _made_of(effect: Any) -> Any:
    """What an effect is made of: a function, and what it is given."""
    cells = getattr(effect, "__closure__", None) or ()
    contents = [cell.cell_contents for cell in cells]
    code = getattr(effect, "__code__", None)
    return code, tuple(_made_of(each) if callable(each) else each for each in contents)


@pytest.fixture
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cache_folder, "folder", lambda: None)
    yield
    forget()


@pytest.mark.usefixtures("_anew")
@pytest.mark.parametrize(("module", "table", "row"), ROWS)
def test_a_trace_shows_each_row(module: str, table: str, row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name, rows = f"{table} {row.name}", getattr(importlib.import_module(module), table)
    text = trace_of(name)
    as_it_is = found_in(text)
    same = is_same if table in OF_OTHER_BYTES else operator.eq
    names = list(rows)
    at = names.index(INSTEAD.get(name, row))
    others = [rows[names[at]]] if name in INSTEAD else []
    others += [rows[each] for each in (*names[at + 1 :], *names[:at]) if not same(rows[each], rows[row])]
    if others and rows[row] is not None:
        monkeypatch.setitem(rows, row, others[0])
    else:
        monkeypatch.delitem(rows, row)
    assert found_in(text) != as_it_is


def test_each_checked_act_is_counted() -> None:
    assert set(JUDGED) == set(UNORDERED) == set(CHECKED)


@pytest.mark.parametrize("act", JUDGED, ids=lambda act: act.name)
def test_a_report_counts_each_act(act: Act) -> None:
    """By ``docs/reference/boot.md``: no other row's letter is counted like that, or it is the same letter."""
    text, kind = JUDGED[act]
    counts = dict.fromkeys(("cacheable_reads", "other_reads", "cacheable_fetches", "other_fetches"), 0)
    assert checker_of(in_lines(text)).coverage == Coverage(**{**counts, kind: 1})


@pytest.mark.parametrize("row", OF_ROWS)
def test_the_explorer_finds_the_same(row: str) -> None:
    text = trace_of(row)
    explore = order_explorer.explore if text.startswith("version 2") else explorer.explore
    assert sorted(map(tuple, check_text(text))) == sorted(map(tuple, explore(text)))
