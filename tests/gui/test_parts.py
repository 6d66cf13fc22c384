"""Parts of the page's process."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.bitcoin.common.chainparams import COIN
from examples.bitcoin.gui.amounts import parse_amount
from examples.bitcoin.gui.board import Board, Changes


@given(st.integers(1, 21_000_000 * COIN))
def test_amounts_are_read_to_the_last_satoshi(satoshis: int) -> None:
    assert parse_amount(str(Decimal(satoshis).scaleb(-8))) == satoshis
    assert parse_amount(f" {satoshis // COIN}.{satoshis % COIN:08} ") == satoshis


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a number"),
        ("1,5", "a number"),
        ("0", "more than 0"),
        ("-1", "more than 0"),
        ("nan", "more than 0"),
        ("inf", "more than 0"),
        ("0.000000001", "8 digits"),
        ("21000000.1", "21 million"),
        ("1e99999999", "21 million"),
    ],
)
def test_what_is_no_amount_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_amount(text)


def test_who_watches_gets_everything_and_then_what_changes() -> None:
    async def run() -> None:
        board = Board()
        board.show("a", 1)
        board.show("gone", 1)
        board.show("gone", None)
        news = board.watch()
        assert await anext(news) == ("a", b"1")
        coming = asyncio.ensure_future(anext(news))
        board.show("a", 1)  # as it was
        await asyncio.sleep(0)
        assert not coming.done()
        board.show("b", 2)
        assert await coming == ("b", b"2")
        # Who is slow gets the newest of each.
        board.show("a", 3)
        board.show("a", 4)
        board.show("b", None)
        assert [await anext(news), await anext(news)] == [("a", b"4"), ("b", b"null")]
        assert board.watched == 1
        await news.aclose()
        assert board.watched == 0

    asyncio.run(run())


def test_changes_that_other_threads_tell_of_are_one() -> None:
    async def run() -> None:
        changes = Changes()
        await changes.wait()  # the first look
        for _ in range(3):
            thread = threading.Thread(target=changes.tell, args=("any", "arguments"))
            thread.start()
            thread.join()
        await changes.wait()
        waiting = asyncio.ensure_future(changes.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        changes.tell()
        await waiting

    asyncio.run(run())


def test_a_change_after_the_end_is_nothing() -> None:
    async def make() -> Changes:
        return Changes()

    asyncio.run(make()).tell()
