"""The page: its files, its events, and what it can ask for."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import mpipc
from examples.bitcoin.gui.board import Board
from examples.bitcoin.gui.guard import guards
from examples.bitcoin.gui.node_view import NodeView
from examples.bitcoin.gui.refusals import NotRunning, Refused
from examples.bitcoin.gui.wallet_view import Prepared
from examples.bitcoin.gui.wallets_view import WalletsView

B = TypeVar("B", bound=msgspec.Struct)
Endpoint = Callable[[Request], Awaitable[Response]]

_STATIC = Path(__file__).parent / "static"
_LARGEST_BODY = 1 << 16
_MOST_WATCHERS = 32
_MOST_PREPARED = 64
_QUIET = 15.0
"""Seconds after which a stream says that it is still there."""


class OfWallet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wallet: str


class NewWallet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=100)]
    passphrase: str = ""


class NewAddress(OfWallet, frozen=True):
    label: Annotated[str, msgspec.Meta(max_length=100)] = ""


class NewPayment(OfWallet, frozen=True):
    address: str
    amount: str
    """In bitcoins."""

    subtract_fee: bool = False


class Confirmation(OfWallet, frozen=True):
    id: str


class WithPassphrase(OfWallet, frozen=True):
    passphrase: str


class NewBlocks(OfWallet, frozen=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=200)] = 1


class Page:
    """What the page can ask for."""

    def __init__(self, board: Board, node: NodeView, wallets: WalletsView) -> None:
        self._board, self._node, self._wallets = board, node, wallets
        self._prepared: dict[str, Prepared] = {}
        self._ended = asyncio.Event()

    def app(self, token: str) -> Starlette:
        """The application, for those who have the token."""
        actions = [
            _action("create-wallet", NewWallet, self._create_wallet),
            _action("load-wallet", OfWallet, self._load_wallet),
            _action("new-address", NewAddress, self._new_address),
            _action("prepare-payment", NewPayment, self._prepare_payment),
            _action("send-payment", Confirmation, self._send_payment),
            _action("encrypt", WithPassphrase, self._encrypt),
            _action("unlock", WithPassphrase, self._unlock),
            _action("lock", OfWallet, self._lock),
            _action("abort-rescan", OfWallet, self._abort_rescan),
            _action("mine", NewBlocks, self._mine),
        ]
        return Starlette(
            routes=[
                Route("/", _index),
                Route("/api/events", self._events),
                Route("/api/blocks/{hash}", self._block),
                *actions,
                Mount("/static", StaticFiles(directory=_STATIC)),
            ],
            middleware=guards(token),
            exception_handlers=_EXCEPTIONS,
        )

    def end(self) -> None:
        """End the streams of events."""
        self._ended.set()

    # --------------------------------------------------------------------------------- reading

    async def _events(self, request: Request) -> Response:
        if self._board.watched >= _MOST_WATCHERS:
            raise HTTPException(429, "Too many pages are open")
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(), 200, headers, "text/event-stream")

    async def _stream(self) -> AsyncIterator[bytes]:
        """Server-sent events: each has a topic and what it shows now."""
        news = self._board.watch()
        ended = asyncio.ensure_future(self._ended.wait())
        coming = asyncio.ensure_future(anext(news))
        try:
            while True:
                await asyncio.wait(
                    [ended, coming], timeout=_QUIET, return_when=asyncio.FIRST_COMPLETED
                )
                if ended.done():
                    return
                if not coming.done():
                    yield b": still here\n\n"
                    continue
                topic, shown = coming.result()
                yield b"event: " + msgspec.json.encode(topic) + b"\ndata: " + shown + b"\n\n"
                coming = asyncio.ensure_future(anext(news))
        finally:
            for task in (ended, coming):
                task.cancel()
            await asyncio.gather(ended, coming, return_exceptions=True)
            await news.aclose()

    async def _block(self, request: Request) -> Response:
        return _json(await self._node.block(request.path_params["hash"]))

    # ---------------------------------------------------------------------------------- acting

    async def _create_wallet(self, asked: NewWallet) -> None:
        await self._wallets.create(asked.name, asked.passphrase)

    async def _load_wallet(self, asked: OfWallet) -> None:
        await self._wallets.load(asked.wallet)

    async def _new_address(self, asked: NewAddress) -> dict[str, str]:
        return {"address": await self._wallets.wallet(asked.wallet).new_address(asked.label)}

    async def _prepare_payment(self, asked: NewPayment) -> dict[str, str | int]:
        wallet = self._wallets.wallet(asked.wallet)
        made = await wallet.prepare(asked.address, asked.amount, asked.subtract_fee)
        id = secrets.token_urlsafe()
        self._prepared[id] = made
        for oldest in list(self._prepared)[:-_MOST_PREPARED]:
            del self._prepared[oldest]
        return {"id": id, "address": made.address, "amount": made.amount, "fee": made.fee}

    async def _send_payment(self, asked: Confirmation) -> None:
        wallet = self._wallets.wallet(asked.wallet)
        prepared = self._prepared.pop(asked.id, None)
        if prepared is None or prepared.wallet != asked.wallet:
            raise Refused("This payment was sent already, or is too old: make it anew")
        await wallet.send(prepared)

    async def _encrypt(self, asked: WithPassphrase) -> None:
        await self._wallets.wallet(asked.wallet).encrypt(asked.passphrase)

    async def _unlock(self, asked: WithPassphrase) -> None:
        await self._wallets.wallet(asked.wallet).unlock(asked.passphrase)

    async def _lock(self, asked: OfWallet) -> None:
        await self._wallets.wallet(asked.wallet).lock()

    async def _abort_rescan(self, asked: OfWallet) -> None:
        await self._wallets.wallet(asked.wallet).abort_rescan()

    async def _mine(self, asked: NewBlocks) -> None:
        script = await self._wallets.wallet(asked.wallet).mining_script()
        await self._node.mine(script, asked.count)


async def _index(request: Request) -> Response:
    return FileResponse(_STATIC / "index.html")


def _action(name: str, body: type[B], act: Callable[[B], Awaitable[Any]]) -> Route:
    """`POST /api/NAME` with a JSON body of this type."""
    decoder = msgspec.json.Decoder(body)

    async def run(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            raise HTTPException(415, "JSON is expected")
        received = bytearray()
        async for part in request.stream():
            received += part
            if len(received) > _LARGEST_BODY:
                raise HTTPException(413, "That is too much")
        return _json(await act(decoder.decode(received)))

    return Route(f"/api/{name}", run, methods=["POST"])


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _handler(status: int) -> Callable[[Request, Exception], Response]:
    def handle(request: Request, error: Exception) -> Response:
        return _json({"error": str(error)}, status)

    return handle


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"error": error.detail}, error.status_code)


_EXCEPTIONS: dict[Any, Callable[[Request, Exception], Response]] = {
    HTTPException: _http_error,
    Refused: _handler(400),
    msgspec.ValidationError: _handler(400),
    msgspec.DecodeError: _handler(400),
    NotRunning: _handler(503),
    mpipc.Disconnected: _handler(503),
    mpipc.IpcError: _handler(502),
}
