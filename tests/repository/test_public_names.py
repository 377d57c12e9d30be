# SPDX-License-Identifier: GPL-2.0-or-later
"""No two public things have the same name, except those listed here with a reason."""

import ast
from collections import defaultdict
from fnmatch import fnmatch

import pytest

from tests.repository.sources import definitions, modules

TWINS = [
    (
        "one function for each translation table format, of the same name in each",
        {
            "executable", "half", "input_bits", "is_leaf", "is_table", "is_valid", "leaf_never", "leaf_type",
            "level_shift", "lowest_address", "next_table", "output_base", "start_level", "table_base", "table_never",
            "address_form", "walk_type", "walk_types", "walks_disabled", "LAST_LEVEL", "NEITHER",
        },
        ("coldline.arm.short", "coldline.arm.lpae", "coldline.arm.vmsa", "coldline.mmu.formats*"),
    ),
    (
        "one callback or table for each instruction set, of the same name in each",
        {"COUNTERS", "EXPORTS", "OPERATIONS", "WATCHED", "on_block", "on_tlb_fill"},
        (
            "coldline.frontends.unicorn.hooks", "coldline.frontends.unicorn.aarch32.*",
            "coldline.frontends.unicorn.aarch64.*", "coldline.checker.compiled.*", "coldline.mmu.compiled_program",
            "coldline.frontends.qemu.loop", "coldline.trace.compiled.*", "coldline.events.selecting",
        ),
    ),
    (
        "an entry of the compiled program of page tables has the name of the function that it calls",
        {"invalidate_tlb", "settle_half", "translate"},
        ("coldline.mmu.*", "coldline.frontends.unicorn.accesses"),
    ),
    (
        "one suite for each protocol: its checks, and what they are run on",
        {"CHECKS"},
        ("coldline.events.conformance", "coldline.hypervisor.conformance*"),
    ),
    (
        "compiled code has the constant of its own kind, an integer, and the name of what it stands for",
        {"NO_LETTER", "OWN"},
        ("coldline.checker.compiled.*", "coldline.checker.state.*"),
    ),
]  # fmt: skip
"""A reason, the names, and patterns of the modules that may define them."""


def shared() -> dict[str, list[str]]:
    """The modules that define a name, for each public name that more than one does."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in modules().values():
        for name in sorted(set(definitions(module.tree))):
            found[name].append(module.name)
    return {name: where for name, where in found.items() if len(where) > 1}


def left() -> dict[str, list[str]]:
    """Those of them that no reason covers."""
    return {
        name: where
        for name, where in shared().items()
        if not any(
            name in names and all(any(fnmatch(each, pattern) for pattern in patterns) for each in where)
            for _, names, patterns in TWINS
        )
    }


def test_a_public_name_means_one_thing() -> None:
    new = [f"{name}: {', '.join(where)}" for name, where in left().items()]
    assert new == [], "\n".join(["", *new])


def test_the_lists_of_exceptions_have_no_more_than_there_are() -> None:
    listed = {name for _, names, _ in TWINS for name in names}
    assert sorted(listed - shared().keys()) == [], "they can be taken off the list"


def test_names_are_seen() -> None:
    assert sum(len(set(definitions(module.tree))) for module in modules().values()) > 500


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("class A: b = 1", ["A"]),
        ("def f():\n    g = 1", ["f"]),
        ("A, B = 1, 2", ["A", "B"]),
        ("A: int = 1", ["A"]),
        ("_a = 1\ndef _f(): pass", []),
        ("from a import B", []),
    ],
)
def test_public_names_are_what_is_defined_at_the_top(text: str, names: list[str]) -> None:
    assert list(definitions(ast.parse(text))) == names
