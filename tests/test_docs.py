"""The pages of documentation: how the tests read them, and what holds for each."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.test_import_rules import ALLOWED

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A block of code. `file`: the name that stands alone on the line above it; `note`: the
    comment above it."""

    section: str
    language: str
    text: str
    file: str
    note: str


@dataclass(frozen=True)
class Table:
    """A table without its head. `note`: the comment above it."""

    note: str
    rows: list[list[str]]


def blocks(page: Path) -> list[Block]:
    """The blocks of code on a page."""
    found = []
    section, above = "", ""
    lines = iter(page.read_text().splitlines())
    for line in lines:
        if line.startswith("```"):
            text = "".join(f"{each}\n" for each in itertools.takewhile(lambda s: s != "```", lines))
            name = re.fullmatch(r"`([\w./]+)`", above)
            file = name[1] if name else ""
            found.append(Block(section, line[3:], text, file, _comment(above)))
            above = ""
        elif line:
            section = line[3:] if line.startswith("## ") else section
            above = line
    return found


def tables(page: Path) -> list[Table]:
    """The tables on a page."""
    found = []
    above = ""
    for is_table, group in itertools.groupby(
        filter(None, page.read_text().splitlines()), lambda line: line.startswith("|")
    ):
        lines = list(group)
        if is_table:
            found.append(Table(_comment(above), [_cells(line) for line in lines[2:]]))
        above = lines[-1]
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _comment(line: str) -> str:
    found = re.fullmatch(r"<!-- (.*) -->", line)
    return found[1] if found else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
            assert anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_places_in_the_repository_that_are_named_exist(page: Path) -> None:
    top = "mpipc|examples|interfaces|tests|benchmarks|docs"
    for name in re.findall(rf"`((?:{top})/[\w./*{{}}]*)`", page.read_text()):
        assert list(ROOT.glob(name)), name


def test_the_readme_begins_with_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    commands = [line.split()[0] for line in lines if line.startswith("    ./")]
    assert commands == ["./examples/bitcoin/run", "./tests/run"]
    for command in commands:
        assert (ROOT / command).stat().st_mode & 0o111


def test_layers_are_drawn_from_the_top_down() -> None:
    drawing = (DOCS / "how-it-works.md").read_text().partition("<!-- layers -->")[2]
    layers = re.findall(r"^  mpipc/(\w+)", drawing, re.MULTILINE)
    assert sorted(layers) == sorted(ALLOWED)
    for number, layer in enumerate(layers):
        assert ALLOWED[layer] <= set(layers[:number]), layer
