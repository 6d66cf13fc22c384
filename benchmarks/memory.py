"""python -m benchmarks.memory [--quick]: what live objects take, and what calls leave behind.

Objects of the server that the client holds, and the other way round: each costs both processes
something, the objects themselves included. Resident memory is what the kernel says.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.contestant import Running
from benchmarks.contestants.with_mpipc import Client
from benchmarks.interfaces.bench import Bench, Item
from benchmarks.work import NumberedItem, resident

OBJECTS = 100_000
CALLS = 1_000_000
MOST_PER_OBJECT = 1024  # bytes
# The allocators of both processes keep some of what they had, whatever the number of calls.
MOST_GROWTH = 2 << 20  # bytes


class Figures(msgspec.Struct):
    """Bytes: of each object in the process that holds it and in the one that has it, for the
    server's objects and for the client's; and by how much the processes have grown with calls."""

    held: float = 0
    had: float = 0
    held_by_server: float = 0
    had_by_client: float = 0
    client_growth: int = 0
    server_growth: int = 0

    def most_per_object(self) -> float:
        return max(self.held, self.had, self.held_by_server, self.had_by_client)

    def growth(self) -> int:
        return max(self.client_growth, self.server_growth)


def measure(objects: int, calls: int) -> Figures:
    """Let a client of its own process do both."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="mpipc-bench-") as directory:
        client = Client(str(Path(directory) / "socket"))
        with Running("with_mpipc", client):
            bench = client.bench
            items: list[Item] = []

            def make() -> None:
                items.extend(bench.make_item(number) for number in range(objects))

            def lend() -> None:
                for number in range(objects):
                    bench.keep_item(NumberedItem(number))

            figures.held, figures.had = _per_object(bench, objects, make)
            # They stay alive, so that the next ones do not get their memory.
            figures.had_by_client, figures.held_by_server = _per_object(bench, objects, lend)
            assert items[-1].number() == objects - 1
            items.clear()
            bench.drop_items()
            # What is needed once is there after the first tenth.
            _call(bench, calls // 10)
            here, there = _resident(bench)
            _call(bench, calls)
            now_here, now_there = _resident(bench)
            figures.client_growth, figures.server_growth = now_here - here, now_there - there
    return figures


def _per_object(bench: Bench, objects: int, make: Callable[[], None]) -> tuple[float, float]:
    """Bytes that each object takes, here and there."""
    here, there = _resident(bench)
    make()
    now_here, now_there = _resident(bench)
    return (now_here - here) / objects, (now_there - there) / objects


def _call(bench: Bench, calls: int) -> None:
    for height in range(calls):
        bench.get_block_hash(height)


def _resident(bench: Bench) -> tuple[int, int]:
    gc.collect()
    return resident(), bench.resident()


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks.memory")
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    share = 10 if parser.parse_args().quick else 1
    objects, calls = OBJECTS // share, CALLS // share
    figures = measure(objects, calls)
    print(f"{objects:,} objects of the server, bytes each:")
    print(f"    in the client, which holds them  {figures.held:6.0f}")
    print(f"    in the server                    {figures.had:6.0f}")
    print(f"{objects:,} objects of the client, bytes each:")
    print(f"    in the server, which holds them  {figures.held_by_server:6.0f}")
    print(f"    in the client                    {figures.had_by_client:6.0f}")
    print(f"{calls:,} calls, growth in KiB:")
    print(f"    of the client                    {figures.client_growth / 1024:6.0f}")
    print(f"    of the server                    {figures.server_growth / 1024:6.0f}")
    return figures.most_per_object() > MOST_PER_OBJECT or figures.growth() > MOST_GROWTH


if __name__ == "__main__":
    sys.exit(main())
