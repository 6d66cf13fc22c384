"""The page as a part of the program: alone in its process, or together with the others."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from anyio.from_thread import start_blocking_portal

from examples.bitcoin.common.console import say
from examples.bitcoin.common.failures import Failure
from examples.bitcoin.common.options import Options, Parser, address, port
from examples.bitcoin.common.process import Part, Shutdown, run
from examples.bitcoin.gui.board import Board
from examples.bitcoin.gui.guard import HOST
from examples.bitcoin.gui.node_view import NodeView
from examples.bitcoin.gui.peers import Follow, Peer, Processes, keep_connected, keep_local
from examples.bitcoin.gui.wallets_view import WalletsView
from examples.bitcoin.gui.web import Page
from interfaces.proposed import ProposedInit

Keeping = Coroutine[Any, Any, None]

_MOST_REQUESTS = 100
_CLOSING = 5
"""Seconds for requests that are still in progress at the end."""


class GuiOptions(Options):
    """What the gui can be told."""

    walletconnect: str
    indexconnect: str
    guiport: int


def parser() -> Parser:
    """The gui's command line."""
    found = Parser("mpipc-gui", "Show a node and its wallets on a page for browsers here.")
    found.connects()
    found.option("walletconnect", "ADDR", "where the wallets are", "unix", type=address)
    found.option("indexconnect", "ADDR", "where the index is", "unix", type=address)
    add_options(found)
    return found


def add_options(parser: Parser) -> None:
    """Add the options of the page itself."""
    parser.option("guiport", "PORT", "the page's port; 0 for a free one", 0, type=port)


def link_path(datadir: Path) -> Path:
    """The file with the page's link, which only the user can read."""
    return datadir / "gui.link"


@contextmanager
def open_gui(
    options: GuiOptions,
    shutdown: Shutdown,
    node: ProposedInit | None = None,
    wallet: ProposedInit | None = None,
    index: ProposedInit | None = None,
) -> Iterator[Part]:
    """Show the page until the end of the block. `node`, `wallet` and `index` are parts of this
    process; None: they are looked for where the options say. Raises Failure."""
    token = secrets.token_urlsafe(24)
    path = link_path(options.datadir)
    with _listening(options.guiport) as sock, start_blocking_portal(name="gui") as portal:
        link = f"http://{HOST}:{sock.getsockname()[1]}/#token={token}"
        site: _Site = portal.call(_Site, token, options, node, wallet, index)
        running = portal.start_task_soon(site.run, sock)
        running.add_done_callback(lambda _: shutdown.request())
        try:
            _write_private(path, f"{link}\n")
            say(f"the page is at {link}")
            yield Part()
        finally:
            path.unlink(missing_ok=True)
            portal.call(site.end)
            running.result()


class _Site:
    """The page, and what it shows; belongs to an event loop."""

    def __init__(
        self,
        token: str,
        options: GuiOptions,
        node: ProposedInit | None,
        wallet: ProposedInit | None,
        index: ProposedInit | None,
    ) -> None:
        board = Board()
        processes = Processes(board)
        for name in ("node", "wallet", "index"):
            processes.show(name, up=False, text="it was not looked for yet")
        node_view = NodeView(board)
        wallets_view = WalletsView(board, node_view)

        def keep(name: str, root: ProposedInit | None, address: str, follow: Follow) -> Keeping:
            if root is not None:
                return keep_local(name, root, follow, processes)
            return keep_connected(name, address, options, follow, processes)

        self._keeping = [
            keep("node", node, options.ipcconnect, node_view.follow),
            keep("wallet", wallet, options.walletconnect, wallets_view.follow),
            keep("index", index, options.indexconnect, _look),
        ]
        self._page = Page(board, node_view, wallets_view)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._page.app(token), http="h11", ws="none", lifespan="off", log_config=None,
                access_log=False, proxy_headers=False, server_header=False,
                limit_concurrency=_MOST_REQUESTS, timeout_graceful_shutdown=_CLOSING,
            )
        )  # fmt: skip

    async def run(self, sock: socket.socket) -> None:
        """Serve until `end` is called."""
        tasks = [asyncio.create_task(keeping) for keeping in self._keeping]
        try:
            await self._server.serve([sock])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def end(self) -> None:
        self._page.end()
        self._server.should_exit = True


async def _look(peer: Peer) -> None:
    """The page shows of the index only that it is there."""
    await asyncio.Event().wait()


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise Failure(f"cannot show the page on port {port}: {why}") from None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only the user can read, in one step. Raises Failure."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with os.fdopen(
            os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w"
        ) as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Failure(f"cannot write {path}: {error.strerror}") from None


def main() -> None:
    """The program."""
    options = parser().parse_args(namespace=GuiOptions())
    run("gui", options, lambda _, shutdown: open_gui(options, shutdown))
