# SPDX-License-Identifier: GPL-2.0-or-later
"""The workflow and the job of the page on CI: they are valid, and their commands are commands of coldline."""

import io
import json
import re
import shlex
from collections.abc import Iterator
from importlib import resources, util
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from coldline.cli.main import parser
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require

PAGE = (ROOT / "docs" / "how-to" / "ci.md").read_text()
BLOCKS = dict(re.findall(r'^```yaml title="([^"]*)"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))
SCHEMAS = {".github/workflows/coldline.yml": "github-workflows.json", ".gitlab-ci.yml": "gitlab-ci.json"}


def parsed(name: str) -> Any:
    return YAML(typ="safe", pure=True).load(io.StringIO(BLOCKS[name]))


def texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from texts(each)


def commands() -> list[str]:
    of_blocks = [line for name in BLOCKS for text in texts(parsed(name)) for line in text.splitlines()]
    of_page = re.findall(r"^    (coldline .*)$", PAGE, re.MULTILINE)
    return [line for line in (*of_blocks, *of_page) if line.startswith("coldline ")]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_file_is_as_the_schema_of_its_system_says(name: str) -> None:
    require(util.find_spec("check_jsonschema"), "no check-jsonschema, a package that has these schemas")
    found = resources.files("check_jsonschema").joinpath("builtin_schemas", "vendor", SCHEMAS[name])
    document = parsed(name)
    if True in document:
        document["on"] = document.pop(True)  # YAML 1.1 takes 'on' as true
    jsonschema.validate(document, json.loads(found.read_text()))


def test_the_files_are_there() -> None:
    assert set(BLOCKS) == set(SCHEMAS)
    assert "jobs" in parsed(".github/workflows/coldline.yml")
    assert len(commands()) >= 7


@pytest.mark.parametrize("line", commands())
def test_a_command_is_one_that_coldline_takes(line: str) -> None:
    words = shlex.split(line)[1:]
    _, rest = parser(words[0]).parse_known_args(words)
    assert rest == []
