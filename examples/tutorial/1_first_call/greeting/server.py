"""Serves a Greeter: python -m greeting.server"""

from contextlib import suppress

import mpipc
from greeting.api import Greeter


class PoliteGreeter(Greeter):
    def greet(self, name: str) -> str:
        print("somebody asks for", name)
        return f"Hello, {name}!"


def main() -> None:
    with suppress(KeyboardInterrupt), mpipc.serve("unix:greeting.sock", PoliteGreeter()) as server:
        print("serving on", server.address)
        server.serve_forever()


if __name__ == "__main__":
    main()
