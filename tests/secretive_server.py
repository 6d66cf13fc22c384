"""A process that serves a safe and logs what it is asked: its argument is the address."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import mpipc
from mpipc.observe import log
from tests.declarations.secretive import (
    Backup,
    Box,
    Hints,
    Key,
    Level,
    Login,
    Opened,
    Pair,
    Pin,
    Safe,
)


class RealSafe(Safe):
    def open(self, user: str, password: str, *, pin: Pin) -> str:
        return f"hello {user}"

    def reveal(self, user: str) -> str:
        # With "wrong", something that does not fit: the error comes from this side.
        return 5 if user == "wrong" else "s3cret"  # type: ignore[return-value]

    def several(self, user: str) -> Opened:
        return Opened(b"s3cret" if user == "wrong" else "s3cret", True)  # type: ignore[arg-type]

    def login(self, login: Login) -> Login:
        return login

    def key(self, key: Key) -> Backup:
        return Backup("all", [Login("ann", "s3cret")], key)

    def many(
        self,
        passwords: list[str],
        by_name: dict[str, str],
        hints: Hints,
        pair: Pair,
        box: Box[str],
        either: str | int,
        level: Level,
    ) -> None:
        assert "s3cret" in passwords

    def back(self, tell: Callable[[str], None]) -> None:
        tell("s3cret")

    def pins(self) -> dict[str, Pin]:
        return {"one": self.pin()}

    def pin(self) -> Pin:
        pin = Pin("1")
        pin.digits = "s3cret"  # which the other side refuses to read
        return pin


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    log.enable()
    with mpipc.serve(sys.argv[1], RealSafe(), tracebacks=True) as server:
        print("ready", flush=True)
        sys.stdin.read()
