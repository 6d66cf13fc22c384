"""The page on evolution shows what happens, and lists every rule."""

from __future__ import annotations

import re

from tests.evolution import breaking_cases, safe_cases
from tests.test_docs import DOCS, blocks, tables
from tests.test_docs_programs import Terminal, terminal

__all__ = ["terminal"]  # a fixture

PAGE = DOCS / "evolution.md"
# What hand-written schemas are needed for (test_diff), or no program can run (test_check).
SHOWN_ELSEWHERE = {
    *("construct-removed", "enum-added", "enum-removed", "enumerant-added", "enumerant-changed"),
    *("field-union", "interface-id", "interface-renamed", "struct-renamed"),
}


def test_the_example_works_as_typed(terminal: Terminal) -> None:
    terminal.follow(blocks(PAGE))


def listed(note: str) -> dict[str, str]:
    """The rules of a table, each with what is in the column behind it."""
    [table] = [table for table in tables(PAGE) if table.note == note]
    return {rule: row[1] for row in table.rows for rule in re.findall(r"`([\w-]+)`", row[0])}


def kinds(rules: set[str]) -> set[str]:
    """Rules without the role, for what holds for a parameter holds for a result."""
    return {re.sub(r"^(parameter|result|field)-", "", rule) for rule in rules}


def test_every_breaking_rule_is_listed_with_those_whom_it_breaks() -> None:
    rules = [rule for case in breaking_cases.CASES for rule in case.rules if ": " in rule]
    page = listed("rules that break")
    for rule in rules:
        name, _, who = rule.partition(": ")
        assert page[name] == ("both" if "," in who else who)
    found = {rule.partition(":")[0] for rule in rules}
    assert kinds(set(page)) == kinds(found | SHOWN_ELSEWHERE & set(page))


def test_every_safe_rule_is_listed() -> None:
    cases = [*safe_cases.CASES, *breaking_cases.CASES]
    found = {rule[5:] for case in cases for rule in case.rules if rule.startswith("safe ")}
    page = set(listed("rules that are safe"))
    assert found <= page
    assert kinds(page) == kinds(found | SHOWN_ELSEWHERE & page)


def test_no_rule_is_on_both_lists() -> None:
    assert not set(listed("rules that break")) & set(listed("rules that are safe"))
