# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of ``coldline`` import only what they may, and no modules import one another in a circle."""

from pathlib import Path

import pytest

from tests.repository.sources import When, circles, modules

EVERYBODY = {"errors", "support"}
"""Any part may import these: errors, and what has nothing to do with caches or guests."""

ALLOWED = {
    "__init__": set(),
    "__main__": {"cli"},
    "arm": set(),
    "builder": {"arm", "guest", "hypervisor"},
    "checker": {"arm", "events", "jit", "rules"},
    "cli": {
        "arm", "builder", "checker", "consequence", "corpus", "events", "explain", "first_pass", "frontends", "guest",
        "hypervisor", "image", "jit", "recorded_guest", "repair", "repaired_run", "report", "rules", "samples",
        "simulation", "survey", "symbols", "trace", "trace_check", "trial_repair", "verdict", "xen_launch",
    },
    "consequence": {"events", "explain", "frontends", "simulation"},
    "corpus": {"checker", "events", "rules", "verdict"},
    "errors": set(),
    "events": {"arm", "jit"},
    "explain": {"arm", "checker", "events", "rules"},
    "first_pass": {"checker", "events", "rules"},
    "frontends": {"arm", "events", "guest", "jit", "mmu"},
    "guest": {"image"},
    "hypervisor": {"arm", "events", "guest"},
    "image": set(),
    "jit": set(),
    "mmu": {"arm", "events", "jit"},
    "recorded_guest": {"events", "frontends", "hypervisor", "simulation", "trace"},
    "repair": {"checker", "events", "explain", "rules"},
    "repaired_run": {
        "checker", "errors", "events", "explain", "first_pass", "frontends", "repair", "simulation", "trial_repair",
        "verdict",
    },
    "report": {
        "arm", "checker", "consequence", "corpus", "events", "explain", "guest", "image", "repair", "rules",
        "symbols", "trace", "verdict",
    },
    "rules": set(),
    "samples": set(),
    "simulation": {"arm", "builder", "events", "frontends", "guest", "hypervisor", "rules"},
    "support": set(),
    "survey": {"hypervisor"},
    "symbols": set(),
    "trace": {"arm", "events", "jit", "rules"},
    "trace_check": {"events", "first_pass", "rules", "trace", "verdict"},
    "trial_repair": {
        "checker", "events", "explain", "first_pass", "frontends", "repair", "simulation", "verdict",
    },
    "verdict": {"checker", "events", "explain", "rules"},
    "xen_launch": {"builder", "events", "guest", "hypervisor", "image"},
}  # fmt: skip
"""For each part, a package or a module right below ``coldline``, the other parts that it may import, at any time."""

CIRCLES_OF_PARTS = [["errors", "support"]]
"""Parts that import one another; the rest is layers.

``errors`` makes messages printable by ``support.printable``, and other modules of ``support`` raise errors.
"""


def part_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def imported_parts(*times: When) -> dict[str, set[str]]:
    """The other parts that each part imports."""
    found: dict[str, set[str]] = {}
    for module in modules().values():
        others = found.setdefault(part_of(module.name), set())
        others.update(part_of(target) for when in times for target in module.imports[when])
    return {part: others - {part} for part, others in found.items()}


def test_a_part_imports_what_it_may() -> None:
    wrong = [
        f"{module.name} imports {target} ({when.value})"
        for module in modules().values()
        for when in When
        for target in sorted(module.imports[when])
        if (part := part_of(module.name)) != (other := part_of(target))
        and other not in ALLOWED.get(part, set()) | EVERYBODY | {"__init__"}
    ]
    assert wrong == [], "\n".join(["", *wrong])


def test_the_table_allows_no_more_than_is_used() -> None:
    used = imported_parts(*When)
    assert sorted(used) == sorted(ALLOWED)
    unused = {part: others - used[part] for part, others in ALLOWED.items() if others - used[part]}
    assert unused == {}


def test_parts_are_layers() -> None:
    assert circles(imported_parts(*When)) == sorted(CIRCLES_OF_PARTS, key=sorted)


def test_no_modules_import_one_another() -> None:
    """A circle with an import in a function is harmless, but still a circle."""
    graph = {
        name: module.imports[When.LOADED] | module.imports[When.CALLED] for name, module in modules().items()
    }
    assert circles(graph) == []


def test_types_make_no_circles() -> None:
    graph = {name: set().union(*module.imports.values()) for name, module in modules().items()}
    assert circles(graph) == []


# -- that these tests see what they look for -----------------------------------------------------------------


def test_imports_are_seen() -> None:
    seen = modules()
    assert len(seen) > 150
    assert sum(len(module.imports[When.LOADED]) for module in seen.values()) > 300
    assert sum(len(module.imports[When.CALLED]) for module in seen.values()) > 10
    assert sum(len(module.imports[When.CHECKED]) for module in seen.values()) > 10


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("from coldline.b import c", When.LOADED),
        ("import coldline.b", When.LOADED),
        ("from . import b", When.LOADED),
        ("from .b import c", When.LOADED),
        ("try:\n    from coldline import b\nexcept ImportError:\n    pass", When.LOADED),
        ("class C:\n    def f(self):\n        from coldline.b import c", When.CALLED),
        ("if TYPE_CHECKING:\n    from coldline.b import c", When.CHECKED),
        ("if typing.TYPE_CHECKING:\n    pass\nelse:\n    from coldline.b import c", When.LOADED),
    ],
)
def test_an_import_is_seen_wherever_it_is(text: str, when: When, tmp_path: Path) -> None:
    package = tmp_path / "coldline"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "a.py").write_text(text)
    (package / "b.py").touch()
    imports = modules(package)["coldline.a"].imports
    assert [each for each in When if "coldline.b" in imports[each]] == [when]


def test_a_name_that_a_package_exports_is_its_modules(tmp_path: Path) -> None:
    package = tmp_path / "coldline"
    (package / "b").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "a.py").write_text("from coldline.b import thing, c")
    (package / "b" / "__init__.py").write_text("if TYPE_CHECKING:\n    from coldline.b.d import thing")
    (package / "b" / "c.py").touch()
    (package / "b" / "d.py").touch()
    seen = modules(package)["coldline.a"].imports[When.LOADED]
    assert seen == {"coldline.b", "coldline.b.c", "coldline.b.d"}


def test_circles_are_found() -> None:
    assert circles({"a": ["b"], "b": ["c", "d"], "c": ["a"], "d": ["e"], "e": []}) == [["a", "b", "c"]]
    assert circles({"a": ["b"], "b": ["c"], "c": [], "d": ["c", "a"]}) == []
    assert circles({"a": ["b"], "b": ["a"], "c": ["d", "a"], "d": ["c"]}) == [["a", "b"], ["c", "d"]]
