# SPDX-License-Identifier: GPL-2.0-or-later
"""Immutable records: what ``@dataclass(frozen=True, slots=True)`` makes, without generating code at each start.

A dataclass compiles five methods when its class is created, and its module imports the tools for that, which took a
fifth of the time of ``coldline create``. Here the methods exist once and loop over the fields' names. Use a
`NamedTuple` or a dataclass for objects that are created by the million, and a `Record` for classes that every start
of the command creates.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar, dataclass_transform

_REQUIRED: Final = object()


class _Field:
    __slots__ = ("compare", "default", "repr")

    def __init__(self, default: Any, repr: bool = True, compare: bool = True) -> None:  # noqa: A002
        self.default = default
        self.repr = repr
        self.compare = compare


def field(*, default: Any = _REQUIRED, repr: bool = True, compare: bool = True) -> Any:  # noqa: A002
    """Declare a field's options, which are those of `dataclasses.field`."""
    return _Field(default, repr, compare)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class _RecordType(type):
    """Turns a class's annotations into slots, and stores their defaults."""

    _fields: dict[str, _Field]
    _most_positional: int

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, kw_only: bool = False
    ) -> "_RecordType":
        fields = {}
        for each in _annotated(namespace):
            default = namespace.pop(each, _REQUIRED)
            fields[each] = default if isinstance(default, _Field) else _Field(default)
        names = tuple(fields)
        made = super().__new__(cls, name, bases, {"__slots__": names, **namespace})
        made._fields = fields
        made._most_positional = 0 if kw_only else len(fields)
        return made


def _annotated(namespace: Mapping[str, Any]) -> tuple[str, ...]:
    if "__annotations__" in namespace:
        return tuple(namespace["__annotations__"])
    if "__annotate_func__" not in namespace:
        return ()
    import annotationlib  # type: ignore[import-not-found]  # Python 3.14, which evaluates annotations lazily

    annotate = annotationlib.get_annotate_from_class_namespace(namespace)
    return tuple(annotationlib.call_annotate_function(annotate, annotationlib.Format.STRING))


class Record(metaclass=_RecordType):
    """The base of records: its subclasses' annotations are their fields, in the order of the arguments.

    A subclass can be declared with ``kw_only=True``, as a dataclass can. Records of one class are equal, and have the
    same hash, if their compared fields are equal. A subclass of a record does not inherit its fields.
    """

    def __init__(self, *positional: Any, **named: Any) -> None:
        kind = type(self)
        values = dict(zip(kind._fields, positional, strict=False))
        if len(positional) > kind._most_positional:
            raise TypeError(f"{kind.__name__} takes {kind._most_positional} positional arguments")
        for name in named:
            if name in values or name not in kind._fields:
                raise TypeError(f"{kind.__name__} takes no {'second ' if name in values else ''}{name}")
        values |= named
        for name, each in kind._fields.items():
            value = values.get(name, each.default)
            if value is _REQUIRED:
                raise TypeError(f"{kind.__name__} is missing the argument {name}")
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())

    def __repr__(self) -> str:
        shown = (name for name, each in type(self)._fields.items() if each.repr)
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), {name: getattr(self, name) for name in type(self)._fields})

    def _compared(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name, each in type(self)._fields.items() if each.compare)


def _made(kind: type["Record"], values: dict[str, Any]) -> "Record":
    return kind(**values)


_RecordT = TypeVar("_RecordT", bound=Record)


def replace(record: _RecordT, **changes: Any) -> _RecordT:
    """Return a copy of `record` with some fields changed, as `dataclasses.replace` does.

    Raises
    ------
    TypeError
        If the record has no such field.
    """
    kind = type(record)
    return kind(**{**{name: getattr(record, name) for name in kind._fields}, **changes})
