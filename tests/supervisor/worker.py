"""A component: python -m tests.supervisor.worker [NAME]

Serves a `Worker` on its socket pair, or at the address in the variable ADDRESS.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

import mpipc


@mpipc.interface(root=True)
class Worker(ABC):
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def pid(self) -> int: ...

    @abstractmethod
    def fork(self) -> int:
        """Start another process, which does nothing; its number."""

    @abstractmethod
    def hang(self) -> None: ...

    @mpipc.method(idempotent=True)
    @abstractmethod
    def hang_once(self, path: str) -> int:
        """Hang, unless there is a file; it is made then. Returns the process's number."""

    @abstractmethod
    def exit(self, status: int) -> None: ...

    @abstractmethod
    def watch(self, callback: Callable[[int], None]) -> None: ...

    @abstractmethod
    def environment(self, name: str) -> str: ...


class RealWorker(Worker):
    def name(self) -> str:
        return sys.argv[1] if len(sys.argv) > 1 else ""

    def pid(self) -> int:
        return os.getpid()

    def fork(self) -> int:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        return pid

    def hang(self) -> None:
        time.sleep(3600)

    def hang_once(self, path: str) -> int:
        if not os.path.exists(path):
            open(path, "w").close()
            self.hang()
        return os.getpid()

    def exit(self, status: int) -> None:
        os._exit(status)

    def watch(self, callback: Callable[[int], None]) -> None:
        callback(os.getpid())

    def environment(self, name: str) -> str:
        return os.environ.get(name, "")


def main() -> None:
    if "STUBBORN" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    address = os.environ.get("ADDRESS")
    if address:
        with mpipc.serve(address, RealWorker()) as server:
            server.serve_forever()
    else:
        mpipc.serve_spawned(RealWorker())
    if "STUBBORN" in os.environ:
        time.sleep(3600)


if __name__ == "__main__":
    main()
