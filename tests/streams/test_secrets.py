"""Items of iterators that are declared secret are in no log, no error text and no recording."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

import mpipc
from mpipc import Field

Passphrase = Annotated[str, Field(secret=True)]
SECRET = "s3cret"


class Login(msgspec.Struct):
    user: str
    password: Passphrase


@mpipc.interface(root=True)
class Safe(ABC):
    @abstractmethod
    def names(self) -> Iterator[str]: ...

    @abstractmethod
    def passphrases(self) -> Iterator[Passphrase]: ...

    @abstractmethod
    def logins(self) -> Iterator[Login]: ...

    @abstractmethod
    def count(self, given: Iterator[Passphrase]) -> int: ...


class RealSafe(Safe):
    def names(self) -> Iterator[str]:
        yield "ann"

    def passphrases(self) -> Iterator[str]:
        yield SECRET
        yield SECRET.encode()  # type: ignore[misc]  # a mistake, whose error must not show it

    def logins(self) -> Iterator[Login]:
        yield Login("ann", SECRET)

    def count(self, given: Iterator[str]) -> int:
        return len([*given])


def test_items_are_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong: Any = [SECRET, SECRET.encode()]
    with (
        mpipc.record(tmp_path / "recorded"),
        mpipc.serve(f"unix:{tmp_path}/s", RealSafe()) as server,
        mpipc.connect(server.address, Safe) as safe,
    ):
        assert [*safe.names()] == ["ann"]
        assert [*safe.logins()] == [Login("ann", SECRET)]
        assert safe.count(iter([SECRET])) == 1
        with pytest.raises(mpipc.RemoteError) as served:
            [*safe.passphrases()]
        with pytest.raises(mpipc.RemoteError) as taken:
            safe.count(iter(wrong))
    for text in (caplog.text, str(served.value), str(taken.value)):
        assert SECRET not in text
    assert SECRET not in (tmp_path / "recorded").read_text()
    lines = [each.getMessage() for each in caplog.records if each.name == "mpipc.ipc"]
    assert any("TextStream.next(16) -> <secret>" in each for each in lines)
    assert any("items=[Login(user='ann', password=<secret>)]" in each for each in lines)
