# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a corpus strictly, and compares the checker's verdicts with the stories' verdicts."""

import os
from dataclasses import dataclass
from pathlib import Path

from coldline.checker.state.findings import kind_of
from coldline.corpus.fields import TextField, case_header, read_fields
from coldline.errors import CorpusError
from coldline.events import Op
from coldline.rules.line_rules import Hazard
from coldline.verdict import Judgement

CORPUS_FOLDER = Path(__file__).parent / "bugs"
"""The corpus that comes with coldline."""

STORY = "story.txt"
CASE_STAGES = ("before", "after")
KIND_WORDS = sorted({kind_of(hazard, op) for hazard in Hazard for op in (Op.READ, Op.FETCH)})
MAX_FILE = 1 << 20
"""The most characters of a file; a longer file is an error."""

HazardKinds = frozenset[str]
"""The kinds of hazard in a trace (see the rules page); the empty set is *coherent*."""


@dataclass(frozen=True, slots=True)
class Case:
    """One trace of a bug.

    Attributes
    ----------
    path : Path
        The trace.
    stage : str
        ``before`` or ``after`` the fix.
    variant : str
        Its name among the bug's traces of this stage; empty for the main one.
    text : str
        What happens in the trace, and why it is right or wrong.
    verdict : frozenset of str
        The story's verdict.
    by_the_rules : frozenset of str
        The verdict that coldline's rules allow. It differs only if the story needs something the rules do not model.
    beyond : str
        What the rules do not model, in a few words; empty if they model all of the story.
    """

    path: Path
    stage: str
    variant: str
    text: str
    verdict: HazardKinds
    by_the_rules: HazardKinds
    beyond: str

    @property
    def within_rules(self) -> bool:
        """Whether the rules model all of the story, so that both verdicts are the same."""
        return self.verdict == self.by_the_rules

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug and its traces.

    Attributes
    ----------
    name : str
        The project, and the commit, advisory, pull request or issue.
    title : str
        What goes wrong, in one line.
    project : str
        The project that had the bug.
    fix : str
        The commit or pull request, with its title.
    source : str
        The sources of the story.
    story : str
        What happened, and how it was fixed.
    cases : tuple of Case
        The traces before the fix first; the main trace first in its stage.
    """

    name: str
    title: str
    project: str
    fix: str
    source: str
    story: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The hazards that the checker found in a case's trace.

    Attributes
    ----------
    found : frozenset of str
        The kinds of hazard.
    early : int
        The line of the first hazard before the trace's last event, or 0. The last event is the one that the story is
        about, so an earlier hazard is unexpected.
    """

    found: HazardKinds
    early: int

    def agrees(self, case: Case) -> bool:
        """Return whether this is the verdict that the rules allow, without an unexpected hazard."""
        return self.found == case.by_the_rules and not self.early


def judge_case(judgement: Judgement) -> CaseResult:
    """Return the result of a case's check, whose report must list at least one hazard."""
    first = judgement.hazards[0].entry if judgement.hazards else None
    early = first is not None and first.number < judgement.events - 1
    return CaseResult(frozenset(judgement.kinds), first.where if first is not None and early else 0)


def read_corpus(folder: Path) -> list[Bug]:
    """Read a corpus: a folder with a folder for each bug.

    Raises
    ------
    CorpusError
        If it is not a valid corpus; ``where`` is the file and the line. Events are not parsed: a check does that.
    """
    bugs = [_read_bug(each) for each in _entries(folder)]
    if not bugs:
        raise CorpusError(str(folder), "contains no bug")
    return bugs


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder))
    except OSError as error:
        raise CorpusError(str(folder), error.strerror or str(error)) from None


def _read_bug(folder: Path) -> Bug:
    cases = []
    for path in _entries(folder):
        if path.suffix == ".trace":
            cases.append(_read_case(path))
        elif path.name != STORY:
            raise CorpusError(str(path), f"is neither a trace nor {STORY}")
    for stage in CASE_STAGES:
        if not any(case.stage == stage for case in cases):
            raise CorpusError(str(folder), f"has no trace '{stage}.trace' or '{stage}-….trace'")
    path = folder / STORY
    fields = read_fields(str(path), read_lines(path), needed=("title", "project", "fix", "source", "story"))
    cases.sort(key=lambda case: (CASE_STAGES.index(case.stage), case.variant))
    told = {name: fields[name].text for name in ("title", "project", "fix", "source", "story")}
    return Bug(name=folder.name, cases=tuple(cases), **told)


def _read_case(path: Path) -> Case:
    stage, _, variant = path.stem.partition("-")
    if stage not in CASE_STAGES or path.stem == f"{stage}-":
        raise CorpusError(
            str(path), "a trace's name must be 'before' or 'after', optionally with '-' and a variant"
        )
    fields = read_fields(
        str(path), case_header(read_lines(path)), needed=("case", "verdict"), free=("by the rules", "beyond")
    )
    verdict = by_the_rules = _verdict(path, fields["verdict"])
    if "by the rules" in fields:
        by_the_rules = _verdict(path, fields["by the rules"])
        where = f"{path}:{fields['by the rules'].line}"
        if by_the_rules == verdict:
            raise CorpusError(where, "'by the rules' is the same as 'verdict': remove it")
        if "beyond" not in fields:
            raise CorpusError(where, "'by the rules' needs a field 'beyond': what the rules do not model")
    beyond = fields["beyond"].text if "beyond" in fields else ""
    return Case(path, stage, variant, fields["case"].text, verdict, by_the_rules, beyond)


def _verdict(path: Path, field: TextField) -> HazardKinds:
    if field.text == "coherent":
        return frozenset()
    words = field.text.split(", ")
    for word in words:
        if word not in KIND_WORDS or words.count(word) > 1:
            raise CorpusError(
                f"{path}:{field.line}",
                f"invalid verdict '{field.text}': use 'coherent', or some of {', '.join(KIND_WORDS)}, each once",
            )
    return frozenset(words)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a file.

    Raises
    ------
    CorpusError
        If it cannot be read, or is too long.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_FILE + 1)
    except OSError as error:
        raise CorpusError(str(path), error.strerror or str(error)) from None
    if len(text) > MAX_FILE:
        raise CorpusError(str(path), f"has more than {MAX_FILE} characters")
    return text.split("\n")
