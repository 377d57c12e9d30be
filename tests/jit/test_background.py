# SPDX-License-Identifier: GPL-2.0-or-later
"""A program is compiled beside work that goes on without it."""

import time

import pytest

pytest.importorskip("numba")

from coldline.jit import code_cache
from coldline.jit.background import Beside
from coldline.jit.compiling import Compiler

SMALL = "tests.jit.small_program"
BROKEN = "tests.jit.no_program"


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache, "_compiled", {})
    monkeypatch.setattr(code_cache, "_path", lambda module: None)


def waited(code: Beside) -> bool:
    """Whether the code is there once the compiler has ended."""
    assert not code.is_ready(start=True)
    assert code._compiler is not None
    code._compiler.wait(60)
    return code.is_ready(start=True)


def test_it_is_compiled_and_kept() -> None:
    with Beside(SMALL) as code:
        assert not code.is_ready(start=False)
        assert code._compiler is None
        assert waited(code)
    with Beside(SMALL) as again:
        assert again.is_ready(start=False)
    assert set(code_cache.load_code(SMALL)) == {"triple"}


def test_a_compiler_that_fails_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with Beside(BROKEN) as code:
        assert not waited(code)
        assert not code.is_ready(start=True)
        assert code._compiler is None


def test_without_a_compiler_there_is_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Beside(SMALL) as code:
        assert not code.is_ready(start=True)
        assert code._compiler is None


def test_work_that_ends_first_ends_the_compiler() -> None:
    with Beside(SMALL) as code:
        code.is_ready(start=True)
        process: Compiler | None = code._compiler
        assert process is not None
    start = time.monotonic()
    process.wait(60)
    assert process.has_ended()
    assert time.monotonic() - start < 5
