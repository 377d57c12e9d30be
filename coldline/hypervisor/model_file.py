# SPDX-License-Identifier: GPL-2.0-or-later
"""Host models in files: JSON, as ``coldline host-model`` writes it."""

import json
from pathlib import Path
from typing import Any, Final, TypeVar

from coldline.arm import MemoryType
from coldline.errors import UsageError
from coldline.events import Op
from coldline.hypervisor.model import AliasLifetime, HostAlias, HostModel, HostRule

_Value = TypeVar("_Value")

MODEL_SCHEMA: Final = "coldline.host-model/1"
"""The schema of a file and its version."""

_MOST: Final = 1 << 20
_ARCHITECTURES: Final = ("arm64", "arm32")
_STEPS: Final = {
    "write": Op.WRITE,
    "dc civac": Op.DC_CIVAC,
    "dc cvac": Op.DC_CVAC,
    "dc ivac": Op.DC_IVAC,
    "dc cvau": Op.DC_CVAU,
    "ic ialluis": Op.IC_IALLUIS,
    "ic ivau": Op.IC_IVAU,
}
_WORDS: Final = {op: word for word, op in _STEPS.items()}
_RULES: Final = ("allocation", "flush", "first_run", "set_way")


def model_text(model: HostModel) -> str:
    """Return a host model with a builder as JSON.

    Parameters
    ----------
    model : HostModel
        One with a builder. A file has no place for `covers`, `options`, `watches_caches` and `forced_write_back`.
    """
    document: dict[str, Any] = {
        "schema": MODEL_SCHEMA,
        "name": model.name,
        "summary": model.summary,
        "architectures": list(model.architectures),
        "builder": model.builder_agent,
        "mapping_types": [each.word for each in model.mapping_types],
        "aliases": [
            {
                "agent": alias.agent,
                "type": alias.memory_type.word,
                "lives": alias.lifetime.value,
                "executable": alias.executable,
                "source": alias.source,
            }
            for alias in model.aliases
        ],
    }
    for name in _RULES:
        rule: HostRule | None = getattr(model, name)
        if rule is not None:
            document[name] = {
                "agent": rule.agent,
                "steps": [_WORDS[step] for step in rule.steps],
                "source": rule.source,
            }
    return json.dumps(document, indent=2) + "\n"


def read_model(path: str) -> HostModel:
    """Read a host model from a file.

    Raises
    ------
    UsageError
        If it cannot be read, or is no host model; the message says where.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _MOST:
        raise UsageError(f"{path}: has more than {_MOST} bytes: not a host model")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON: {error}") from error
    return _Reading(path).model(document)


class _Reading:
    """Takes a model out of JSON; every error names the file and the key."""

    def __init__(self, path: str) -> None:
        self._path = path

    def model(self, document: Any) -> HostModel:
        if not isinstance(document, dict) or document.get("schema") != MODEL_SCHEMA:
            raise self._error("schema", f"is not {MODEL_SCHEMA}")
        return HostModel(
            name=self._text(document, "name"),
            summary=self._text(document, "summary"),
            architectures=tuple(
                self._one_of("architectures", each, {name: name for name in _ARCHITECTURES})
                for each in self._list(document, "architectures")
            ),
            builder_agent=self._text(document, "builder"),
            mapping_types=tuple(
                self._one_of("mapping_types", each, _TYPES) for each in self._list(document, "mapping_types")
            ),
            aliases=tuple(self._alias(each) for each in self._list(document, "aliases")),
            allocation=self._rule(document, "allocation"),
            flush=self._rule(document, "flush"),
            first_run=self._rule(document, "first_run"),
            set_way=self._rule(document, "set_way"),
        )

    def _alias(self, document: Any) -> HostAlias:
        if not isinstance(document, dict):
            raise self._error("aliases", "has what is no object")
        executable = document.get("executable", False)
        if not isinstance(executable, bool):
            raise self._error("executable", "is not true or false")
        return HostAlias(
            self._text(document, "agent"),
            self._one_of("type", document.get("type"), _TYPES),
            self._one_of("lives", document.get("lives"), _LIFETIMES),
            self._text(document, "source"),
            executable=executable,
        )

    def _rule(self, document: dict[str, Any], name: str) -> HostRule | None:
        rule = document.get(name)
        if rule is None:
            return None
        if not isinstance(rule, dict):
            raise self._error(name, "is no object")
        steps = [self._one_of("steps", each, _STEPS) for each in self._list(rule, "steps")]
        return HostRule(self._text(rule, "agent"), tuple(steps), self._text(rule, "source"))

    def _text(self, document: dict[str, Any], key: str) -> str:
        value = document.get(key)
        if not isinstance(value, str) or not value.isprintable() or (key != "source" and not value):
            raise self._error(key, "is not a line of text")
        if key in ("agent", "builder") and " " in value:
            raise self._error(key, "has a space")
        return value

    def _list(self, document: dict[str, Any], key: str) -> list[Any]:
        value = document.get(key)
        if not isinstance(value, list) or len(value) > len(_STEPS) * 8:
            raise self._error(key, "is not a short list")
        return value

    def _one_of(self, key: str, word: Any, values: "dict[str, _Value]") -> "_Value":
        if not isinstance(word, str) or word not in values:
            raise self._error(key, f"has {json.dumps(word)[:80]}: choose from {', '.join(values)}")
        return values[word]

    def _error(self, key: str, what: str) -> UsageError:
        return UsageError(f"{self._path}: '{key}' {what}")


_TYPES: Final = {each.word: each for each in MemoryType}
_LIFETIMES: Final = {each.value: each for each in AliasLifetime}
