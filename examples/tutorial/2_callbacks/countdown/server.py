"""Serves a Rocket: python -m countdown.server"""

from collections.abc import Callable
from contextlib import suppress

import mpipc
from countdown.api import Rocket


class ToyRocket(Rocket):
    def count_down(self, start: int, tick: Callable[[int], bool]) -> str:
        for number in range(start, 0, -1):
            if not tick(number):
                return f"stopped at {number}"
        return "lift-off"


def main() -> None:
    with suppress(KeyboardInterrupt), mpipc.serve("unix:rocket.sock", ToyRocket()) as server:
        print("serving on", server.address)
        server.serve_forever()


if __name__ == "__main__":
    main()
