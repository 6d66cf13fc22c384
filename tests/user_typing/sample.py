"""What a user writes: all of it must pass the strictest settings of type checkers."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Generic, TypeVar

import msgspec
from typing_extensions import NotRequired, TypedDict

import mpipc
from mpipc import Field, Int32, UInt8

T = TypeVar("T")

MOST: Final[Annotated[UInt8, mpipc.Const()]] = 9


class Block(msgspec.Struct, frozen=True):
    hash: bytes
    height: Int32


@dataclass(kw_only=True)
class Fork:
    at: Block
    work: Annotated[int, Field(name="chainWork")]


Tip = Block | Fork


class Options(TypedDict):
    depth: Int32
    limit: NotRequired[UInt8]


class Window(TypedDict):
    heights: list[Int32]
    limit: UInt8


class Result(msgspec.Struct, Generic[T]):
    value: T | None
    error: str = ""


class Found(mpipc.Results):
    reason: str
    result: bool


class Pruned(Exception):
    """The block is gone."""


class Money:
    """A type of the user's own."""

    def __init__(self, satoshi: int) -> None:
        self.satoshi = satoshi


def build_money(money: Money) -> int:
    return money.satoshi


def read_money(satoshi: int) -> Money:
    return Money(satoshi)


mpipc.hooks.register(Money, wire=int, build=build_money, read=read_money)


@mpipc.interface
class Handler(ABC):
    @abstractmethod
    def disconnect(self) -> None: ...


@mpipc.interface
class Store(ABC, Generic[T]):
    @abstractmethod
    def get(self, name: str) -> Result[T]: ...


@mpipc.interface
class Chain(ABC):
    @property
    @abstractmethod
    def height(self) -> Int32: ...

    @mpipc.method(raises=Pruned)
    @abstractmethod
    def get_block(self, height: Int32) -> Block | None: ...

    @mpipc.method(1, context=False, deprecated="use get_block")
    @abstractmethod
    def tips(self, options: Options, *, most: UInt8 = 3) -> list[Tip]: ...

    @abstractmethod
    def check(self, block: Block, fee: Money, rate: Decimal) -> Found: ...

    @abstractmethod
    def on_tip(self, callback: Callable[[Tip], None]) -> Handler: ...

    @abstractmethod
    def blocks(self, heights: Sequence[Int32]) -> Store[Block]: ...

    @mpipc.method(packed={"window": Window})
    @abstractmethod
    def within(self, heights: list[Int32], limit: UInt8 = 3) -> int: ...

    @abstractmethod
    def news(self, since: Int32) -> AsyncGenerator[Tip, None]: ...

    def genesis(self) -> Block | None:
        return self.get_block(0)


@mpipc.interface(root=True)
class Init(ABC):
    @abstractmethod
    def make_chain(self) -> Chain: ...


# --------------------------------------------------------------------------------------- server


class RealHandler(Handler):
    def disconnect(self) -> None: ...


class Blocks(Store[Block]):
    def get(self, name: str) -> Result[Block]:
        return Result(None, "no such block")


class RealChain(Chain):
    def __init__(self) -> None:
        self.callbacks: list[Callable[[Tip], None]] = []

    @property
    def height(self) -> int:
        return 1

    def get_block(self, height: int) -> Block | None:
        if height < 0:
            raise Pruned
        return Block(b"", height) if height <= self.height else None

    def tips(self, options: Options, *, most: int = 3) -> list[Tip]:
        tips: list[Tip] = [Block(b"", 1), Fork(at=Block(b"", 0), work=1)]
        return tips[: options.get("limit", most)]

    def check(self, block: Block, fee: Money, rate: Decimal) -> Found:
        return Found("", fee.satoshi > 0 and rate > 0)

    def on_tip(self, callback: Callable[[Tip], None]) -> Handler:
        self.callbacks.append(callback)
        return RealHandler()

    def blocks(self, heights: Sequence[int]) -> Store[Block]:
        return Blocks()

    def within(self, heights: list[int], limit: int = 3) -> int:
        return len(heights)

    async def news(self, since: int) -> AsyncGenerator[Tip, None]:
        yield Block(b"", since)


class RealInit(Init):
    def make_chain(self) -> Chain:
        return RealChain()


# --------------------------------------------------------------------------------------- client


def serve(address: str) -> None:
    with mpipc.serve(address, RealInit()) as server:
        server.serve_forever()


def heard(tip: Tip) -> None:
    height = tip.height if isinstance(tip, Block) else tip.at.height
    print(height + 1)


def use(init: Init) -> int:
    chain = init.make_chain()
    block = chain.get_block(chain.height)
    if block is None:
        return 0
    found = chain.check(block, Money(5), Decimal("0.5"))
    handler: Handler = chain.on_tip(heard)
    chain.on_tip(lambda tip: print(tip))
    handler.disconnect()
    mpipc.close(handler)
    tips = chain.tips({"depth": 1, "limit": 2}, most=1)
    stored = chain.blocks([1, 2]).get("a").value
    height = stored.height if stored is not None else 0
    return block.height + len(tips) + len(found.reason) + height + bool(chain.genesis())


def main() -> None:
    if mpipc.serve_spawned(RealInit()):
        return
    with mpipc.connect("unix:/tmp/node.sock", Init, timeout=5) as init:
        print(use(init))
    with mpipc.spawn([sys.executable, __file__], Init) as init, mpipc.timeout(1.5):
        print(use(init))
    with mpipc.reconnecting("unix:/tmp/node.sock", Init, Init.make_chain) as chain:
        print(mpipc.with_timeout(chain, 2).height)
    lasting: Init = mpipc.reconnecting("unix:/tmp/node.sock", Init, on_connect=use)
    print(use(lasting))


if __name__ == "__main__":
    main()
