# SPDX-License-Identifier: GPL-2.0-or-later
"""Records behave as the dataclasses that they replace."""

import copy
import dataclasses
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from coldline.support.frozen_record import Record, field, replace


class Place(Record):
    """A typical record."""

    base: int
    size: int = 4096
    why: str = field(default="unsaid", compare=False)
    data: bytes = field(default=b"", repr=False)

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.size


class Named(Record, kw_only=True):
    """A record with keyword-only arguments."""

    first: int = 1
    second: int


@dataclass(frozen=True, slots=True)
class Model:
    """The dataclass that `Place` is compared with."""

    base: int
    size: int = 4096
    why: str = dataclasses.field(default="unsaid", compare=False)
    data: bytes = dataclasses.field(default=b"", repr=False)


ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, 2), {"why": "so"}),
    ((), {"base": 1, "data": b"x"}),
    ((1, 2, "why", b"d"), {}),
]


@pytest.mark.parametrize(("positional", "named"), ARGUMENTS)
def test_records_hold_and_show_what_dataclasses_do(
    positional: tuple[Any, ...], named: dict[str, Any]
) -> None:
    place, model = Place(*positional, **named), Model(*positional, **named)
    assert [getattr(place, each.name) for each in dataclasses.fields(Model)] == list(
        dataclasses.astuple(model)
    )
    assert repr(place) == repr(model).replace("Model", "Place")
    assert not hasattr(place, "__dict__")
    assert place.end == place.base + place.size


def test_records_are_equal_as_dataclasses_are() -> None:
    for one, _ in ARGUMENTS[:1]:
        changes: dict[str, Any]
        for changes in ({}, {"size": 5}, {"why": "else"}, {"data": b"else"}):
            equal = Model(*one) == Model(*one, **changes)
            assert (Place(*one) == Place(*one, **changes)) is equal
            assert (hash(Place(*one)) == hash(Place(*one, **changes))) is equal
    assert Place(1) != (1, 4096, b"")
    assert Place(1) != Model(1)


@pytest.mark.parametrize(
    ("positional", "named"),
    [((), {}), ((1, 2, "", b"", 5), {}), ((1,), {"base": 1}), ((1,), {"bass": 2})],
)
def test_records_refuse_the_arguments_that_dataclasses_refuse(
    positional: tuple[Any, ...], named: dict[str, Any]
) -> None:
    for kind in (Place, Model):
        with pytest.raises(TypeError):
            kind(*positional, **named)


def test_a_keyword_only_record_takes_no_other_arguments() -> None:
    assert (Named(second=2).first, Named(second=2, first=3).first) == (1, 3)
    named: Any = Named
    with pytest.raises(TypeError):
        named(1, 2)


def test_records_cannot_be_changed() -> None:
    place: Any = Place(1)
    with pytest.raises(AttributeError, match="size"):
        place.size = 1
    with pytest.raises(AttributeError, match="size"):
        del place.size
    with pytest.raises(AttributeError):
        place.other = 1
    assert place == Place(1)


def test_a_record_is_replaced_by_a_changed_copy() -> None:
    place = Place(1, 2, "why", b"data")
    assert repr(replace(place, base=5)) == "Place(base=5, size=2, why='why')"
    assert replace(place, base=5).data == b"data"
    assert place.base == 1
    with pytest.raises(TypeError):
        replace(place, bass=5)


def test_records_are_copied_and_pickled() -> None:
    place = Place(1, 2, "why", b"data")
    for same in (copy.copy(place), copy.deepcopy(place), pickle.loads(pickle.dumps(place))):
        assert (same, same.why) == (place, place.why)
