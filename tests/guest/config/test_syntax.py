# SPDX-License-Identifier: GPL-2.0-or-later
"""The syntax of guest configuration files, compared with xl's own parser on the same text."""

import gzip
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coldline.errors import ConfigError
from coldline.guest.config.keys import XL_KEYS
from coldline.guest.config.syntax import (
    MAX_CONFIG,
    MAX_LIST_DEPTH,
    MAX_VALUES,
    ConfigList,
    ConfigString,
    Value,
    parse,
)
from testbed.packages import apt, debian
from tests.helpers.effort import examples
from tests.helpers.requirements import require
from tests.oracles import libxlu


def plain(value: Value) -> Any:
    return value.text if isinstance(value, ConfigString) else [plain(each) for each in value.values]


def values(text: str) -> dict[str, Any]:
    return {name: plain(each.value) for name, each in parse(text, "g.cfg").settings.items()}


# -- what is taken -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", {}),
        ("\n \t\n# nothing\n", {}),
        ("name='a'", {"name": "a"}),
        ('name = "it\'s"\n', {"name": "it's"}),
        ("a=1;b=0x1f ; c=010\n", {"a": "1", "b": "0x1f", "c": "010"}),
        (";;a=1;;\n;", {"a": "1"}),
        ("a=1\na=2\n", {"a": "2"}),
        (r"""a="\"\'\\\a\b\f\n\r\t\v" """, {"a": "\"'\\\a\b\f\n\r\t\v"}),
        ("a='# no comment'\n", {"a": "# no comment"}),
        ("a=[]\n", {"a": []}),
        ("a=[1,'b',[2,[]],]\n", {"a": ["1", "b", ["2", []]]}),
        ("a=[ # why\n\n 1 # that\n , # is\n\n 2\n]\nb=1", {"a": ["1", "2"], "b": "1"}),
        ("a.b_9=1", {"a.b_9": "1"}),
        ("a+='x'\na+='y'\n", {"a": "xy"}),
        ("a=['x']\na+=['y','z']\na+=[]\n", {"a": ["x", "y", "z"]}),
        ("a='x'\na+='y'\na='z'\n", {"a": "z"}),
        ("a=1\nb=2\na+=3", {"a": "13", "b": "2"}),
        ("a='\udcff'", {"a": "\udcff"}),
    ],
)
def test_takes(text: str, want: dict[str, Any]) -> None:
    assert values(text) == want
    if libxlu.library() is not None:
        assert by_xl(text, list(want)) == want


def test_a_setting_says_where_it_is() -> None:
    got = parse("\n  a = [ 1,\n   'b' ]\n", "g.cfg").settings["a"]
    assert str(got.place) == "g.cfg:2:3"
    assert isinstance(got.value, ConfigList)
    assert [str(each.place) for each in got.value.values] == ["g.cfg:2:9", "g.cfg:3:4"]


def test_what_follows_adds_to_what_was_before() -> None:
    before = parse("a='x'\nb=1\n", "g.cfg")
    after = parse("a+='y'", "'a+=\"y\"'", before=before)
    assert {name: plain(each.value) for name, each in after.settings.items()} == {"a": "xy", "b": "1"}


def test_a_number_behind_a_backslash_is_left_out_as_by_xl_and_said() -> None:
    got = parse(r"a = 'x\101y'", "g.cfg")
    assert plain(got.settings["a"].value) == "xy"
    assert [str(each) for each in got.remarks] == [
        r"g.cfg:1:7: xl drops '\101' from a string; write the character itself"
    ]


# -- what is refused ---------------------------------------------------------------------------------------------

NUMBERED = "a string in quotes, a number or a list"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a", "1:2: found the end of the file, expected '=' after 'a'"),
        ("\na\n", "2:2: found the end of the line, expected '=' after 'a'"),
        ("a=", f"1:3: found the end of the file, expected {NUMBERED}"),
        ("a=\n1", f"1:3: found the end of the line, expected {NUMBERED}"),
        ("a=b", f"1:3: found a name (b), expected {NUMBERED}"),
        ("a=1 b=2", "1:5: found a name (b), expected the end of the line or ';'"),
        ("a=1\n1=2", "2:1: found a number (1), expected a setting: NAME=VALUE, in lower case"),
        ("a=[1", "1:5: found the end of the file, expected ',' or ']'"),
        ("a=[\n1\n2]", "3:1: found a number (2), expected ',' or ']'"),
        ("a=[,]", f"1:4: found ',', expected {NUMBERED}"),
        ("a=[1,,]", f"1:6: found ',', expected {NUMBERED}"),
        ("a=]", f"1:3: found ']', expected {NUMBERED}"),
        ("a=[1;2]", "1:5: found ';', expected ',' or ']'"),
        ("a=1]", "1:4: found ']', expected the end of the line or ';'"),
        ("a='x", "1:3: a string without an end on its line"),
        ("a='x\n'", "1:3: a string without an end on its line"),
        ("a='x\\\n'", "1:3: a string without an end on its line"),
        (r"a='\q'", r"1:4: xl refuses '\q' in a string; \\ is a backslash"),
        (r"a='\x41'", r"1:4: xl refuses '\x' in a string; \\ is a backslash"),
        (r"a='\1'", r"1:4: xl refuses '\1' in a string; write the character itself"),
        ("A=1", "1:1: 'A' outside a string: names and numbers must be in lower case"),
        ("a=0x1F\n", "1:6: 'F' outside a string: names and numbers must be in lower case"),
        ("_a=1", "1:1: '_' outside a string"),
        ("a=-1", "1:3: '-' outside a string: expressions are not supported"),
        ("a=1\r\n", "1:4: a carriage return: xl does not accept DOS line ends"),
        ("a=1 # x", "1:5: a comment at the end of the file: xl requires a line end after it"),
        ("a=1\n\x1b[2J", r"2:1: '\x1b' outside a string"),
        ("a='\n", "1:3: a string without an end on its line"),
        ("a=1\na+=[2]\n", "2:4: a list cannot be added to 'a', which is a string"),
        ("a=[2]\na+='x'\n", "2:4: a string cannot be added to 'a', which is a list"),
    ],
)
def test_refuses_with_line_and_column(text: str, want: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "g.cfg")
    assert str(caught.value) == f"g.cfg:{want}"
    if libxlu.library() is not None:
        with pytest.raises(ValueError, match=r"parsing error|error 22"):
            by_xl(text, [])


def test_a_nul_in_a_string_is_refused() -> None:
    # xl's own library ends its process.
    with pytest.raises(ConfigError, match=r"^g\.cfg:1:5: a NUL in a string$"):
        parse("a='x\0'", "g.cfg")


# -- the second implementation -----------------------------------------------------------------------------------


def by_xl(text: str, names: list[str]) -> dict[str, Any]:
    got = libxlu.read(text.encode("utf-8", "surrogateescape"), names)
    if isinstance(got, str):
        raise ValueError(got)
    return {name: decoded(each) for name, each in got.items()}


def decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return [decoded(each) for each in value]


def same_as_xl(text: str) -> None:
    try:
        ours: dict[str, Any] | None = values(text)
    except ConfigError:
        ours = None
    try:
        theirs: dict[str, Any] | None = by_xl(text, list("abcdefgxyz") if ours is None else list(ours))
    except ValueError:
        theirs = None
    assert ours == theirs


WORDS = st.sampled_from(
    [
        *"ab1'\"=;,[]#\n\n \\",
        "a=",
        "b+=",
        "'x'",
        '"y z"',
        "0x1f",
        "a=1\n",
        "[1,2]",
        r"'\t'",
        r"'\101'",
        "a=['b',]\n",
    ]
)


@settings(max_examples=examples(1000))
@given(st.lists(WORDS, max_size=16).map("".join))
def test_same_as_xl_on_random_text(text: str) -> None:
    require(libxlu.library(), "libxlutil is not installed (Debian: libxenmisc4.17 or later)")
    # xl does not look at one last character that no rule takes.
    assume(not re.search(r"(?:^|.*\s)[#'\"\\]$", text) and not text.endswith(("'", '"', "\\", "#")))
    same_as_xl(text)


VALUES = st.recursive(
    st.one_of(
        st.integers(0, 1 << 70).map(str),
        st.text(st.characters(blacklist_characters="\\'\n\0", blacklist_categories=["Cs"])).map(
            lambda t: f"'{t}'"
        ),
        st.sampled_from([r"'\n\\'", r'"\""', "0x0", "007", "''"]),
    ),
    lambda inner: st.lists(inner, max_size=4).map(lambda each: f"[{', '.join(each)}\n]"),
    max_leaves=8,
)
SETTINGS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["=", " += "]), VALUES), max_size=8)


@settings(max_examples=examples(500))
@given(SETTINGS, st.data())
def test_same_as_xl_on_well_formed_text(of: list[tuple[str, str, str]], data: st.DataObject) -> None:
    require(libxlu.library(), "libxlutil is not installed (Debian: libxenmisc4.17 or later)")
    text = "".join(f"{name}{sign}{value}\n" for name, sign, value in of)
    same_as_xl(text)
    if text:  # and with a character gone
        at = data.draw(st.integers(0, len(text) - 2))
        same_as_xl(text[:at] + text[at + 1 :])


# -- hostile input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a=" + "[" * (MAX_LIST_DEPTH + 1), f"more than {MAX_LIST_DEPTH} nested lists"),
        ("a=[" + "1," * MAX_VALUES + "]", f"more than {MAX_VALUES} values"),
        ("a=1\n" * (MAX_VALUES + 1), f"more than {MAX_VALUES} values"),
        ("#" * MAX_CONFIG + "\n", f"has more than {MAX_CONFIG} bytes"),
    ],
)
def test_limits(text: str, want: str) -> None:
    with pytest.raises(ConfigError, match=want):
        parse(text, "g.cfg")


def test_the_deepest_lists_are_taken() -> None:
    assert str(values("a=" + "[" * MAX_LIST_DEPTH + "]" * MAX_LIST_DEPTH)["a"]).count("[") == MAX_LIST_DEPTH


@pytest.mark.parametrize(
    "text",
    [
        ";" * MAX_CONFIG,
        "\n" * MAX_CONFIG,
        "a=[" + "\n" * (MAX_CONFIG - 4) + "]",
        "a='" + "\\n" * (MAX_CONFIG // 2 - 2) + "'",
        "a='" + "\\" * (MAX_CONFIG - 4),
        "'\\" * (MAX_CONFIG // 2),
        "a" * MAX_CONFIG,
        "a='" + "x" * (MAX_CONFIG // 2) + "'\n" + "a+='y'\n" * (MAX_CONFIG // 16),
        "a=[" + "1," * (MAX_VALUES - 2) + "]\n" + "a+=[]\n",
        "#\n" * (MAX_CONFIG // 2),
        " " * MAX_CONFIG,
    ],
    ids=[
        "semicolons",
        "lines",
        "list",
        "escapes",
        "backslashes",
        "quotes",
        "name",
        "adding",
        "values",
        "comments",
        "blanks",
    ],
)
def test_the_largest_files_take_no_longer_than_a_second(text: str) -> None:
    started = time.process_time()
    said = outcome(text)
    assert time.process_time() - started < 1
    assert len(said) < 200


def outcome(text: str) -> str:
    try:
        return f"{len(parse(text, 'g.cfg').settings)} settings"
    except ConfigError as error:
        return str(error)


# -- what comes with xl ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def xen_utils() -> Path:
    """Debian's xen-utils-common, unpacked."""
    try:
        return debian.packages("arm64", ["xen-utils-common"])["xen-utils-common"]
    except apt.FetchError as error:
        require(False, f"no xen-utils-common: {error}")
        raise


def test_xls_own_examples(xen_utils: Path) -> None:
    paths = sorted((xen_utils / "etc" / "xen").glob("xlexample.*"))
    assert paths
    for path in paths:
        text = path.read_text()
        assert values(text)["name"] == path.name.replace("xlexample", "example")
        if libxlu.library() is not None:
            same_as_xl(text)


WITHIN_VALUES = """
    backend connection controller height hostaddr hostbus path pnode policy port ports security_model size strategy
    tag vdistances version width
"""
"""Words that the manual lists like keys, and that belong to a key's value."""


def test_every_key_of_the_manual_is_known(xen_utils: Path) -> None:
    manual = gzip.decompress((xen_utils / "usr/share/man/man5/xl.cfg.5.gz").read_bytes()).decode()
    keys = set(re.findall(r'^(?:\.ie n |\.el )?\.IP "\\fB([a-z][a-z0-9_]*)=', manual, re.MULTILINE))
    assert len(keys) > 100
    assert keys - XL_KEYS <= set(WITHIN_VALUES.split())
