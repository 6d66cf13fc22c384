"""What live objects take, and what calls leave: as `python -m benchmarks.memory`, with fewer."""

from __future__ import annotations

from benchmarks.memory import MOST_GROWTH, MOST_PER_OBJECT, measure


def test_objects_are_small_and_calls_leave_nothing_behind() -> None:
    figures = measure(objects=5_000, calls=30_000)
    # A hundred bytes that each call leaves would be 3 MB.
    assert 0 < figures.most_per_object() < MOST_PER_OBJECT, figures
    assert figures.growth() < MOST_GROWTH, figures
