"""The filters on disk."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from btclib.block.block_filter import BasicBlockFilter

from examples.bitcoin.common.bitcoin import block_hash_of, parse_block, spent_by, txid_of
from examples.bitcoin.common.database import open_database, transaction
from examples.bitcoin.index.interfaces.filters import Filter
from interfaces.common import BlockRef
from interfaces.values import BlockHash, OutPoint

_SCHEMA = """
CREATE TABLE block(
    height INTEGER PRIMARY KEY, hash BLOB UNIQUE NOT NULL, filter BLOB NOT NULL,
    header BLOB NOT NULL
);
-- The scripts of all outputs that the chain has made: a block does not say what its inputs spend.
CREATE TABLE output(
    outpoint BLOB PRIMARY KEY, script BLOB NOT NULL, height INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX output_height ON output(height);
"""
_VERSION = 1


class FilterStore:
    """The filters of one chain of blocks, which grows and shrinks at its end."""

    def __init__(self, datadir: Path) -> None:
        path = datadir / "index.sqlite"
        self._lock = threading.Lock()
        # All of it can be made again from the node's blocks.
        self._db = open_database(path, _SCHEMA, _VERSION, "NORMAL")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def tip(self) -> BlockRef | None:
        """The last block."""
        row = self._one("SELECT hash, height FROM block ORDER BY height DESC LIMIT 1")
        return None if row is None else BlockRef(BlockHash(row[0]), row[1])

    def filter(self, hash: bytes) -> Filter | None:
        """A block's filter."""
        row = self._one("SELECT filter, header FROM block WHERE hash=?", hash)
        return None if row is None else Filter(row[0], row[1])

    def matches_any(self, hash: bytes, scripts: list[bytes]) -> bool | None:
        """Whether a block may concern one of these scripts; None without its filter."""
        found = self.filter(hash)
        if found is None:
            return None
        return BasicBlockFilter.parse(found.data, hash[::-1]).match_any(scripts)

    def add(self, data: bytes) -> BlockRef:
        """Make the filter of the block after the tip."""
        tip = self.tip()
        height = tip.height + 1 if tip else 0
        block = parse_block(data)
        hash = block_hash_of(block.header)
        outputs = {
            OutPoint.of(txid_of(tx), index): tx_out.script_pub_key.script
            for tx in block.transactions
            for index, tx_out in enumerate(tx.vout)
        }
        spent = [spent_by(tx_in) for tx in block.transactions[1:] for tx_in in tx.vin]
        scripts = [outputs.get(name) or self._script(name) for name in spent]
        made = BasicBlockFilter.from_block(block, scripts)
        before = self.filter(tip.hash) if tip else None
        header = made.header((before.header if before else bytes(32))[::-1])[::-1]
        with self._lock, transaction(self._db):
            self._db.execute(
                "INSERT INTO block VALUES(?, ?, ?, ?)", (height, hash, made.serialize(), header)
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO output VALUES(?, ?, ?)",
                [(name, script, height) for name, script in outputs.items()],
            )
        return BlockRef(hash, height)

    def remove(self, height: int) -> None:
        """Forget the tip, which has this height."""
        with self._lock, transaction(self._db):
            self._db.execute("DELETE FROM block WHERE height=?", (height,))
            self._db.execute("DELETE FROM output WHERE height=?", (height,))

    def _script(self, name: OutPoint) -> bytes:
        row = self._one("SELECT script FROM output WHERE outpoint=?", name)
        if row is None:
            raise ValueError(f"no block has made the output {name}")
        return bytes(row[0])

    def _one(self, query: str, *parameters: bytes) -> tuple[Any, ...] | None:
        with self._lock:
            found: tuple[Any, ...] | None = self._db.execute(query, parameters).fetchone()
        return found
