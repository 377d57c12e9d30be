# SPDX-License-Identifier: GPL-2.0-or-later
"""The site of docs/: its navigation has every page, its API pages every public package, and no page needs a network.

`scripts/docs` builds it, and stops at a warning.
"""

import ast
import re
from pathlib import Path

from tests.helpers.repository import ROOT

DOCS = ROOT / "docs"
SETTINGS = (ROOT / "mkdocs.yml").read_text()
NAV = re.findall(r"^ +- (?:.*: )?(\S+\.md)$", SETTINGS.partition("\nnav:\n")[2], re.MULTILINE)


def exports(package: Path) -> bool:
    """Whether a package's ``__init__`` has a list of names that it exports."""
    return any(
        isinstance(node, ast.Assign) and any(getattr(to, "id", "") == "__all__" for to in node.targets)
        for node in ast.parse((package / "__init__.py").read_text()).body
    )


def test_the_navigation_has_every_page_once_and_no_other() -> None:
    assert sorted(NAV) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_api_pages_are_the_public_packages_and_what_the_examples_import() -> None:
    public = {
        ".".join(place.parent.relative_to(ROOT).parts)
        for place in (ROOT / "coldline").rglob("__init__.py")
        if place.parent != ROOT / "coldline" and exports(place.parent)
    } - NOT_AN_API
    for page in (ROOT / "README.md", DOCS / "how-to" / "library.md"):
        public.update(re.findall(r"^from (coldline\.[a-z_.]+) import", page.read_text(), re.MULTILINE))
    pages = {
        name: page for page in (DOCS / "reference" / "api").glob("*.md") for name in objects(page.read_text())
    }
    assert set(pages) == public | {"coldline.errors"}
    assert all(page.name == name.removeprefix("coldline.") + ".md" for name, page in pages.items())
    index = (DOCS / "reference" / "index.md").read_text()
    assert all(f"| [`{name}`](api/{page.name}) |" in index for name, page in pages.items())


NOT_AN_API = {"coldline.cli", "coldline.frontends.unicorn.devices"}
"""Packages that export names for coldline's own use."""


def objects(page: str) -> list[str]:
    return re.findall(r"^::: (\S+)$", page, re.MULTILINE)


def test_the_site_fetches_nothing_from_elsewhere() -> None:
    assert "\n  font: false" in SETTINGS
    assert not re.search(r"https?://", SETTINGS)
    for page in DOCS.rglob("*.md"):
        assert "```mermaid" not in page.read_text(), page  # its program comes from another host
