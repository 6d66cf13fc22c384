"""Recording the connections of this program: `mpipc.record`."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable

from mpipc.capnp.endpoint import Endpoint
from mpipc.capnp.message import Limits
from mpipc.errors import Disconnected
from mpipc.generate.load import known_modules
from mpipc.observe.calls import is_on, switch
from mpipc.recording.catalogue import Catalogue
from mpipc.recording.decoder import Decoder
from mpipc.recording.records import File, Side

_NAME = "recorder"
# What we send ourselves is what the other end's limits allow.
_OURS = Limits(message_words=1 << 60, traversal_words=1 << 60, nesting=1 << 10)


class Recorder:
    """A watcher that records what goes over connections; made by `record`. Usable in `with`, which
    closes it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = File(path)
        self._catalogue = Catalogue(known_modules)
        self._numbers = itertools.count(1)
        self._began = time.monotonic()
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def count(self) -> int:
        """How many messages, beginnings and ends of connections were recorded."""
        return self._file.count

    def opened(self, endpoint: Endpoint) -> None:
        """Record a new connection."""
        if self._process != os.getpid():
            return  # a forked child's, whose parent goes on writing
        ours: Side = "server" if endpoint.serves else "client"
        theirs: Side = "client" if endpoint.serves else "server"
        decoder = Decoder(
            self._catalogue, next(self._numbers), self._clock, self._file.write,
            limits={ours: _OURS, theirs: endpoint.limits},
        )  # fmt: skip
        decoder.begin(ours, endpoint.describe().removeprefix("on "), str(endpoint.peer or ""))

        def ended(error: Disconnected) -> None:
            decoder.end(ours, str(error))

        endpoint.tap(self._fed(decoder, ours), self._fed(decoder, theirs), ended)

    def _clock(self) -> float:
        return time.monotonic() - self._began

    def _fed(self, decoder: Decoder, sender: Side) -> Callable[[bytes], None]:
        file = self._file

        def feed(data: bytes) -> None:
            if not file.closed:
                decoder.feed(sender, data)

        return feed

    def close(self) -> None:
        """Record no more. May be called again, and from any thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                switch(_NAME, None)
        self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def record(path: str | os.PathLike[str]) -> Recorder:
    """Record what goes over the connections that are made from now on, of both sides, until the
    returned recorder is closed, as `with` does. `mpipc trace show` prints the file, and
    `mpipc trace replay` makes the same calls again.

    Values are decoded with the declarations; what is declared secret is left out. The file is new,
    and for its owner alone (mode 0600). What would take the way through shared memory takes the
    socket. When the file cannot be written on, the log says so and the program goes on.

    Raises OSError, FileExistsError where there is such a file; and RuntimeError while another
    recorder is not closed.
    """
    if is_on(_NAME):
        raise RuntimeError("there is a recorder already, which is not closed")
    recorder = Recorder(path)
    switch(_NAME, recorder)
    return recorder
