"""A pycapnp server of the root interface: `python -m tests.interop.server SCHEMA SOCKET [OPTION]`.

Options: `--no-thread-map` answers construct with null, `--counter` serves a counter instead.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import capnp

from tests.interop.foreign import PATIENCE, Counter, Thread, ThreadMap, schema


class Promised(schema.Root.Server):  # type: ignore[misc]
    """`makeCounter` of an object of this class is a promise: of what the future brings."""

    def __init__(self, arrival: asyncio.Future[Any]) -> None:
        self.arrival = arrival

    async def makeCounter(self, **_: Any) -> Any:
        return await self.arrival


class Service(schema.Root.Server):  # type: ignore[misc]
    """The contexts of calls to `threadName` and what `note` was told are the notes."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.kept_counter: Any = None
        self.client_threads: Any = None
        self.keys: dict[str, asyncio.Event] = {}
        self.settling: list[asyncio.Future[None]] = []

    async def construct(self, threadMap: Any, **_: Any) -> Any:
        self.client_threads = threadMap
        return None if "--no-thread-map" in sys.argv else ThreadMap()

    async def echo(self, values: Any, **_: Any) -> Any:
        return values

    async def makeCounter(self, label: str, **_: Any) -> Any:
        """Labels: "" fails; "late…" are promises, which `letGo` settles: "late and kept" is the
        counter that was kept, "late and broken" fails, others are new ones."""
        if not label:
            raise LookupError("a counter needs a label")
        if not label.startswith("late"):
            return Counter(label)
        arrival = asyncio.get_running_loop().create_future()
        self.settling.append(asyncio.ensure_future(self.settle(arrival, label)))
        return schema.Root._new_client(Promised(arrival)).makeCounter().result

    async def settle(self, arrival: asyncio.Future[Any], label: str) -> None:
        await self.key(label).wait()
        if label == "late and kept":
            arrival.set_result(self.kept_counter)
        elif label == "late and broken":
            arrival.set_exception(RuntimeError("it never came"))
        else:
            arrival.set_result(Counter(label))

    async def findCounter(self, **_: Any) -> Any:
        return None

    async def liveCounters(self, **_: Any) -> int:
        return Counter.live

    async def isOurs(self, counter: Any, **_: Any) -> bool:
        """Calls on what the client's answer will be: an object of its own, and one of ours."""
        deep = counter.child(label="a").result.child(label="b").result.name()
        # The client passes these back to us: it is we who wait for the disembargo.
        answer = counter.parent()
        parent = answer.result
        calls = [parent.add(amount=n) for n in range(10)]
        await answer
        calls += [parent.add(amount=n) for n in range(10, 20)]
        totals = [(await call).result for call in calls]
        return bool(
            totals == [sum(range(n + 1)) for n in range(20)]
            and (await deep).result == f"{(await counter.name()).result}/a/b"
        )

    async def echoCounter(self, counter: Any, _context: Any, **_: Any) -> Any:
        return counter if _context.params._has("counter") else None

    async def keep(self, counter: Any, _context: Any, **_: Any) -> None:
        self.kept_counter = counter if _context.params._has("counter") else None

    async def kept(self, **_: Any) -> Any:
        return self.kept_counter

    async def addInBackground(self, amount: int, **_: Any) -> int:
        """On a thread that we ask the client for."""
        made = self.client_threads.makeThread("made for the server").result
        context = {"thread": made, "callbackThread": Thread("the server's")}
        return int((await self.kept_counter.add(context=context, amount=amount)).result)

    async def namesOf(self, counters: Any, **_: Any) -> list[str]:
        return [(await counter.name()).result for counter in counters]

    async def apply(self, context: Any, step: Any, value: int, times: int, **_: Any) -> int:
        """On the thread that called; `times` 0: without waiting until it is done."""
        threads = {"callbackThread": Thread("the server's")}
        if context._has("callbackThread"):
            threads["thread"] = context.callbackThread
        if times == 0:
            call = step.call(arg0=value)
            await self.key("started").wait()
            del call
            return value
        for _n in range(times):
            value = (await step.call(context=threads, arg0=value)).result
        return value

    async def threadName(self, context: Any, **_: Any) -> str:
        names = [
            (await getattr(context, field).getName()).result if context._has(field) else ""
            for field in ("thread", "callbackThread")
        ]
        self.noted.append(", ".join(names))
        return names[0]

    async def note(self, text: str, **_: Any) -> None:
        self.noted.append(text)

    async def notes(self, **_: Any) -> list[str]:
        return self.noted

    def key(self, key: str) -> asyncio.Event:
        return self.keys.setdefault(key, asyncio.Event())

    async def hold(self, key: str, **_: Any) -> str:
        if key == "die":
            sys.exit(3)
        self.noted.append(f"holding {key}")
        try:
            await self.key(key).wait()
        except asyncio.CancelledError:
            self.noted.append(f"canceled {key}")
            raise
        return key

    async def letGo(self, key: str, **_: Any) -> None:
        self.key(key).set()

    async def fail(self, text: str, **_: Any) -> None:
        raise RuntimeError(text)

    async def refuse(self, text: str, _context: Any, **_: Any) -> None:
        if text:
            _context.results.error = text
        else:
            _context.results.result = "accepted"

    async def size(self, data: bytes, texts: Any, **_: Any) -> int:
        return len(data) + sum(map(len, texts))

    async def blob(self, size: int, **_: Any) -> bytes:
        return bytes(range(256)) * (size // 256)


async def serve(stream: Any) -> None:
    bootstrap = Counter("no root") if "--counter" in sys.argv else Service()
    await capnp.TwoPartyServer(stream, bootstrap=bootstrap).on_disconnect()


async def main() -> None:
    server = await capnp.AsyncIoStream.create_unix_server(serve, sys.argv[2])
    print("ready", flush=True)
    async with server:
        await asyncio.wait_for(server.serve_forever(), 2 * PATIENCE)


if __name__ == "__main__":
    asyncio.run(capnp.run(main()))
