"""Looking before sleeping."""

from __future__ import annotations

import os

import pytest

from mpipc.ipc.alertness import Alertness


def sleeps(alertness: Alertness) -> int:
    """How often somebody sleeps at once before looking again."""
    count = 0
    while alertness.sleepy:
        alertness.sleepy -= 1
        count += 1
    return count


@pytest.fixture
def alertness() -> Alertness:
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one processor only, where nobody looks")
    return Alertness()


def test_looks_at_first(alertness: Alertness) -> None:
    assert not alertness.sleepy


def test_looks_less_and_less_often_in_vain(alertness: Alertness) -> None:
    found = []
    for _ in range(10):
        alertness.failed()
        found.append(sleeps(alertness))
    assert found == [2, 4, 8, 16, 32, 64, 128, 256, 256, 256]


def test_looks_more_often_again_once_it_has_paid(alertness: Alertness) -> None:
    for _ in range(5):
        alertness.failed()
        sleeps(alertness)
    alertness.slept = 1
    assert not alertness.sleepy
    alertness.failed()
    assert sleeps(alertness) == 2


def test_never_looks_where_the_other_end_could_not_run_meanwhile() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        alertness = Alertness()
    finally:
        os.sched_setaffinity(0, before)
    for _ in range(10_000):
        assert alertness.sleepy
        alertness.sleepy -= 1
