"""Programs of the example as a user runs them, and keys that pay with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import btclib_secp256k1.dsa
import btclib_secp256k1.keys
from btclib import b32
from btclib.hashes import hash160
from btclib.script import sig_hash
from btclib.script.witness import Witness
from btclib.tx import Tx, TxIn, TxOut

from examples.bitcoin.common.bitcoin import library_out_point, transaction_bytes
from examples.bitcoin.common.chainparams import NETWORK
from interfaces.values import OutPoint

ROOT = Path(__file__).parents[2]
SECONDS = 50.0


class Program:
    """A program of the example with its output in a file; `stop` leaves nothing behind."""

    def __init__(self, name: str, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"examples.bitcoin.{name}", *arguments],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A group of its own: a signal to it is what Ctrl-C in a terminal does, and what
                # is left in it after the end is a leftover.
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait(self) -> int:
        return self.process.wait(SECONDS)

    def wait_for(self, text: str) -> None:
        """Wait until it has printed this."""
        self.until(lambda: text in self.output)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def terminate(self) -> int:
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """As the kernel does when memory is short: at once, without a chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def press_ctrl_c(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def leftovers(self) -> bool:
        """Whether a process of its group still runs."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self) -> None:
        if self.leftovers():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


Start = Callable[..., Program]


class Key:
    """Somebody who is paid to a P2WPKH address."""

    def __init__(self, secret: int) -> None:
        self._secret = secret
        self.public = btclib_secp256k1.keys.pubkey_from_prvkey(secret)
        self.script = b"\x00\x14" + hash160(self.public)
        self.address = b32.address_from_witness(0, hash160(self.public), NETWORK)

    def pay(
        self,
        coins: list[tuple[OutPoint, int]],
        outputs: list[tuple[bytes, int]],
        *,
        sequence: int = 0xFFFFFFFD,
        lock_time: int = 0,
    ) -> bytes:
        """A signed transaction that spends coins of this key, each an output and its amount, to
        scripts with amounts."""
        vin = [TxIn(library_out_point(name), b"", sequence) for name, _ in coins]
        vout = [TxOut(amount, script) for script, amount in outputs]
        tx = Tx(2, lock_time, vin, vout)
        spent = [TxOut(amount, self.script) for _, amount in coins]
        signed = []
        for index, each in enumerate(tx.vin):
            digest = sig_hash.from_tx(spent, tx, index, 1)
            signature = btclib_secp256k1.dsa.sign(digest, self._secret) + b"\x01"
            witness = Witness([signature, self.public])
            signed.append(TxIn(each.prev_out, b"", sequence, witness))
        return transaction_bytes(Tx(2, lock_time, signed, vout))
