"""Generated clients and servers without anything in between.

A client's call is a `Writer`; its bytes, framed, are what pycapnp reads, and what the server's
function reads again as a `Message`. The results take the same way back.
"""

from __future__ import annotations

import struct
from typing import Any, TypeVar

from mpipc.capnp.message import DEFAULT_LIMITS, POINTER, Message, budget
from mpipc.capnp.proxy import Client, ClientMethod, Generated, Local
from mpipc.capnp.writer import Writer
from mpipc.generate.load import generated_for
from mpipc.ipc import coroutines

R = TypeVar("R")


def framed(w: Writer, shape: int) -> bytes:
    """A message whose root is a struct of this shape: `data words | pointers << 16`."""
    body = w.body()
    assert len(body) == w.end * 8, "the writer has lost count"
    root = shape << 32 if shape else 0xFFFFFFFC
    words = struct.pack("<Q", root) + body
    return struct.pack("<II", 0, len(words) // 8) + words


def received(data: bytes, caps: Any = ()) -> tuple[Message, int, int, int]:
    """A framed message, and where its root struct is: (content, data words, pointers)."""
    count = struct.unpack_from("<I", data)[0] + 1
    sizes = struct.unpack_from(f"<{count}I", data, 4)
    at = (4 + 4 * count + 7) // 8 * 8
    segments = []
    for size in sizes:
        segments.append((at, at + size * 8))
        at += size * 8
    words = budget(DEFAULT_LIMITS, sum(sizes))
    message = Message(data, segments[0][0], at, segments if count > 1 else None, words)
    message.caps = caps
    message.owner = Owner()
    if message.start == segments[0][1]:
        message.broken("it is empty")
    lo, hi = POINTER.unpack_from(message.buf, message.start)
    return message, *message.struct(message.start, lo, hi)


class Owner:
    """What a connection does for objects of its own process."""

    def proxy(self, cap: Any, client: type[Client]) -> Any:
        return cap.impl if isinstance(cap, Local) else cap


class Loopback:
    """A connection that keeps the framed parameters and results of its last call.

    `called`: the ids of the interface and the method. `answer`: framed results to use instead of
    what the object returns.
    """

    def __init__(self, interface: type | Generated, impl: object) -> None:
        found = interface if isinstance(interface, Generated) else generated_for(interface)
        self.generated = found
        self.impl = impl
        self.answer = b""
        self.called = 0, 0
        self.params = b""
        self.results = b""
        self.client: Any = found.client(self, object())  # type: ignore[arg-type]

    def call(self, target: object, method: ClientMethod[R], w: Writer) -> R:
        """As `Connection.call`."""
        self.called = method.interface, method.number
        self.params = framed(w, method.shape)
        if self.answer:
            return method.unpack(*received(self.answer))
        self.serve(method.interface, method.number, self.params, w.caps)
        return method.unpack(*received(self.results, self._caps))

    def iterate(self, target: object, method: ClientMethod[R], w: Writer) -> R:
        """As `Connection.iterate`."""
        return self.call(target, method, w)

    async def call_async(self, target: object, method: ClientMethod[R], w: Writer) -> R:
        """As `Connection.call_async`."""
        return await coroutines.in_thread(lambda: self.call(target, method, w))

    def serve(self, interface: int, number: int, params: bytes, caps: Any = ()) -> None:
        """Have framed parameters read, the object called, and keep the results."""
        method = self.generated.server.methods[interface, number]
        assert method.run is not None
        w = method.run(self.impl, *received(params, caps))
        if method.is_async:
            w = coroutines.run(w)
        self._caps = w.caps
        self.results = framed(w, method.shape)
