"""Pyro5, with its fastest serializer; a proxy per thread, a daemon for the callbacks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import Pyro5.api

from benchmarks.contestant import Blocking
from benchmarks.interfaces.bench import Row
from benchmarks.work import BenchWork, increment

Pyro5.api.config.SERIALIZER = "marshal"
_OBJECT = "bench"


@Pyro5.api.expose
class Service:
    def __init__(self) -> None:
        self._work = BenchWork()

    def get_block_hash(self, height: int) -> bytes:
        return self._work.get_block_hash(height)

    def get_rows(self, count: int) -> list[tuple[object, ...]]:
        return [(row.number, row.text, row.value, row.data) for row in self._work.get_rows(count)]

    def get_data(self, size: int) -> bytes:
        return self._work.get_data(size)

    def call_back(self, value: int, uri: str) -> int:
        with Pyro5.api.Proxy(uri) as callback:
            return self._work.call_back(value, callback.call)


@Pyro5.api.expose
class Callback:
    def call(self, value: int) -> int:
        return increment(value)


def serve(path: str) -> None:
    daemon = Pyro5.api.Daemon(unixsocket=path)
    daemon.register(Service(), _OBJECT)
    daemon.requestLoop()


class Client(Blocking):
    name = "Pyro5"

    def connect(self) -> None:
        self._proxies = [self._proxy()]
        self._daemon = Pyro5.api.Daemon(unixsocket=f"{self.path}-callback")
        self._callback = str(self._daemon.register(Callback()))
        threading.Thread(target=self._daemon.requestLoop, daemon=True).start()

    def close(self) -> None:
        for proxy in self._proxies:
            proxy._pyroClaimOwnership()
            proxy._pyroRelease()
        self._daemon.shutdown()

    def get_block_hash(self, height: int) -> bytes:
        hash: bytes = self._proxies[0].get_block_hash(height)
        return hash

    def get_rows(self, count: int) -> list[Row]:
        return [Row(*row) for row in self._proxies[0].get_rows(count)]

    def get_data(self, size: int) -> bytes:
        data: bytes = self._proxies[0].get_data(size)
        return data

    def make_plain_caller(self) -> Callable[[int], object]:
        proxy = self._proxy()
        self._proxies.append(proxy)
        get_block_hash: Callable[[int], bytes] = proxy.get_block_hash

        def call(height: int) -> bytes:
            proxy._pyroClaimOwnership()  # a proxy belongs to the thread that made it
            return get_block_hash(height)

        return call

    def make_caller(self) -> Callable[[int], int]:
        proxy = self._proxy()
        self._proxies.append(proxy)
        call_back: Callable[[int, str], int] = proxy.call_back

        def call(value: int) -> int:
            proxy._pyroClaimOwnership()  # a proxy belongs to the thread that made it
            return call_back(value, self._callback)

        return call

    def _proxy(self) -> Pyro5.api.Proxy:
        proxy = Pyro5.api.Proxy(f"PYRO:{_OBJECT}@./u:{self.path}")
        proxy._pyroBind()
        return proxy
