"""The example's headers, coinbase transactions and stored chain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from examples.bitcoin import coinbase
from examples.bitcoin.headers import (
    GENESIS,
    Header,
    InvalidHeader,
    double_sha256,
    grind,
    has_proof_of_work,
    show,
    target,
)
from examples.bitcoin.store import Store, StoreError

ROOT = Path(__file__).parents[1]


def next_header(store: Store) -> Header:
    """A valid header on the store's tip."""
    tip = store.tip()
    merkle_root = coinbase.merkle_root(coinbase.build(tip.height + 1))
    time = store.next_time(GENESIS.time)
    header = Header(0x20000000, tip.hash, merkle_root, time, GENESIS.bits, 0)
    return Header.unpack(grind(header.pack()))


def test_genesis_is_the_block_every_regtest_node_starts_with() -> None:
    assert show(GENESIS.hash) == "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
    assert has_proof_of_work(GENESIS.hash, GENESIS.bits)
    assert Header.unpack(GENESIS.pack()) == GENESIS


@pytest.mark.parametrize(
    ("bits", "expected"),
    [(0x207FFFFF, 0x7FFFFF << 232), (0x1D00FFFF, 0xFFFF << 208), (0x02123456, 0x1234)],
)
def test_target_follows_the_compact_form(bits: int, expected: int) -> None:
    assert target(bits) == expected


def test_grind_finds_the_first_good_nonce() -> None:
    start = msgspec.structs.replace(GENESIS, bits=0x2007FFFF, nonce=0)
    found = Header.unpack(grind(start.pack()))
    good = [
        nonce
        for nonce in range(found.nonce + 1)
        if has_proof_of_work(msgspec.structs.replace(start, nonce=nonce).hash, start.bits)
    ]
    assert good == [found.nonce]
    assert found == msgspec.structs.replace(start, nonce=found.nonce)


@pytest.mark.parametrize(
    ("number", "script"),
    [
        (0, "00"),
        (1, "51"),
        (16, "60"),
        (17, "0111"),
        (127, "017f"),
        (128, "028000"),
        (32767, "02ff7f"),
        (32768, "03008000"),
    ],
)
def test_heights_are_pushed_as_script_numbers(number: int, script: str) -> None:
    assert coinbase.script_number(number).hex() == script


@pytest.mark.parametrize("height", [1, 16, 17, 128, 40_000])
def test_a_coinbase_commits_to_its_height_alone(height: int) -> None:
    transaction = coinbase.build(height)
    assert coinbase.commits_to(transaction, height)
    assert not coinbase.commits_to(transaction, height + 1)
    assert not coinbase.commits_to(b"", height)


def test_the_subsidy_halves() -> None:
    assert [coinbase.subsidy(height) for height in (1, 149, 150, 300)] == [
        50_00000000, 50_00000000, 25_00000000, 12_50000000
    ]  # fmt: skip


def test_headers_are_kept_across_restarts(tmp_path: Path) -> None:
    store = Store(tmp_path / "made" / "on-the-way")
    tips = [store.append(next_header(store).pack()) for _ in range(20)]
    store.close()

    again = Store(tmp_path / "made" / "on-the-way")
    assert again.tip() == tips[-1]
    assert [again.hash_at(tip.height) for tip in tips] == [tip.hash for tip in tips]
    header = again.header(tips[6].hash)
    assert header is not None
    assert double_sha256(header) == tips[6].hash
    assert again.hash_at(21) is None
    assert again.header(bytes(32)) is None
    again.close()


def test_headers_that_do_not_extend_the_tip_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = next_header(store)
    store.append(first.pack())
    good = next_header(store)

    def change(**fields: object) -> bytes:
        return grind(msgspec.structs.replace(good, **fields).pack())

    weak = next(
        header
        for nonce in range(1000)
        if not has_proof_of_work(
            (header := msgspec.structs.replace(good, nonce=nonce)).hash, header.bits
        )
    )
    wrong = {
        "high-hash": weak.pack(),
        "bad-diffbits": change(bits=0x2000FFFF),
        "stale-prevblk": first.pack(),
        "prev-blk-not-found": change(prev_hash=bytes(32)),
        "time-too-old": change(time=GENESIS.time),
        "80 bytes": good.pack()[:-1],
    }
    for reason, data in wrong.items():
        with pytest.raises(InvalidHeader, match=reason):
            store.append(data)
    assert store.tip().height == 1
    store.append(good.pack())
    store.close()


def test_threads_that_race_for_a_height_add_one_block_each_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    added = []

    def miner() -> None:
        for _ in range(20):
            with suppress(InvalidHeader):  # another thread was faster
                added.append(store.append(next_header(store).pack()).height)

    threads = [threading.Thread(target=miner) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == list(range(1, store.tip().height + 1))
    store.close()


def test_a_killed_process_loses_no_block_that_it_reported(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from examples.bitcoin.store import Store\n"
        "from tests.test_example_chain import next_header\n"
        "store = Store(Path(sys.argv[1]))\n"
        "while True: print(store.append(next_header(store).pack()).height, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        reported = [int(process.stdout.readline()) for _ in range(10)]
        os.kill(process.pid, signal.SIGKILL)
    store = Store(tmp_path)
    assert reported == list(range(1, 11))
    assert store.tip().height >= 10
    store.append(next_header(store).pack())
    store.close()


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file")
    (tmp_path / "chain.sqlite").write_bytes(b"not a database, but long enough to look like one")
    with pytest.raises(StoreError, match=r"chain\.sqlite"):
        Store(tmp_path)
