"""What the page about speed says is what the benchmarks test."""

from __future__ import annotations

from benchmarks.claims import LIMITS, RATIOS
from tests.test_docs import DOCS, tables

PAGE = DOCS / "performance.md"


def test_every_claim_is_on_the_page_with_what_is_claimed() -> None:
    [table] = [table for table in tables(PAGE) if table.note == "claims"]
    rows = [tuple(row[:2]) for row in table.rows]
    ratios = [(ratio.text, ratio.claimed) for ratio in RATIOS]
    limits = [(f"{name}; ms", f"<= {limit:g}") for name, limit in LIMITS]
    assert rows[: len(ratios) + len(limits)] == ratios + limits
