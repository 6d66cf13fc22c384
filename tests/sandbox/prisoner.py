"""The program in the sandbox: python -m tests.sandbox.prisoner"""

from __future__ import annotations

import ctypes
import os
from abc import ABC, abstractmethod
from collections.abc import Callable

import mpipc


@mpipc.interface(root=True)
class Prisoner(ABC):
    @abstractmethod
    def run(self, code: str) -> str:
        """Run code; its variable `result`, or the name of the exception."""

    @abstractmethod
    def call(self, step: Callable[[int], int]) -> int: ...


def system_call(number: int, *arguments: object) -> str:
    """The name of the error that it fails with, or "succeeded"."""
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.syscall(ctypes.c_long(number), *arguments) < 0
    return os.strerror(ctypes.get_errno()) if failed else "succeeded"


class RealPrisoner(Prisoner):
    def run(self, code: str) -> str:
        names = {"result": "nothing", "system_call": system_call}
        try:
            exec(code, names)
        except BaseException as e:
            return type(e).__name__
        return str(names["result"])

    def call(self, step: Callable[[int], int]) -> int:
        return step(1)


if __name__ == "__main__":
    mpipc.serve_spawned(RealPrisoner())
