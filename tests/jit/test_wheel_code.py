# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine code of a wheel: it is taken where it fits the sources and the processor, and nowhere else."""

import os
from pathlib import Path

import pytest

from coldline.jit import code_cache, programs, wheel_code
from coldline.support import cache_folder
from tests.jit.test_code_cache import compiles, program

RETURNS = b"\xc3"
ABLE = ("x86_64", b"flags : " + b" ".join(sorted(wheel_code._NEEDED)) + b" avx512f\n")


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Code that came with the package, on a processor that can run it; the user's cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(wheel_code, "SHIPPED_CODE", tmp_path / "shipped_code")
    monkeypatch.setattr(code_cache, "_processor", lambda: ABLE)
    compiles(monkeypatch)
    path = tmp_path / "shipped_code" / wheel_code.name_of(programs.CHECK, code_cache.LINKER)
    cache_folder.keep(path, program(RETURNS))
    return path


def is_shipped() -> bool:
    """Whether the code is the file's and not the compiler's."""
    return set(code_cache.load_code(programs.CHECK)) == {"first", "second"}


def test_it_is_used(code: Path) -> None:
    assert code_cache.is_kept(programs.CHECK)
    assert is_shipped()


def test_other_programs_are_compiled(code: Path) -> None:
    assert not code_cache.is_kept(programs.QEMU)


@pytest.mark.parametrize("lacking", [b"bmi2", b"avx2", b"popcnt"])
def test_a_processor_that_lacks_a_feature_compiles(
    code: Path, monkeypatch: pytest.MonkeyPatch, lacking: bytes
) -> None:
    monkeypatch.setattr(code_cache, "_processor", lambda: (ABLE[0], ABLE[1].replace(lacking, b"")))
    assert not code_cache.is_kept(programs.CHECK)
    assert not is_shipped()


@pytest.mark.parametrize("processor", [None, ("aarch64", ABLE[1])])
def test_another_machine_compiles(
    code: Path, monkeypatch: pytest.MonkeyPatch, processor: tuple[str, bytes] | None
) -> None:
    monkeypatch.setattr(code_cache, "_processor", lambda: processor)
    assert not is_shipped()


def test_a_damaged_file_is_compiled_anew(code: Path) -> None:
    damaged = bytearray(code.read_bytes())
    damaged[-1] ^= 1
    code.write_bytes(damaged)
    assert not is_shipped()


def test_other_sources_have_other_code(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_folder, "digest_of", lambda module, *, meaning: "other")
    assert not is_shipped()


def test_a_checkout_has_none() -> None:
    assert not wheel_code.SHIPPED_CODE.exists()
    assert os.fspath(wheel_code.SHIPPED_CODE).endswith("coldline/jit/shipped_code")
