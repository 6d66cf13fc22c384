"""Asks a Greeter: python -m greeting.client"""

import mpipc
from greeting.api import Greeter


def main() -> None:
    with mpipc.connect("unix:greeting.sock", Greeter) as greeter:
        print(greeter.greet("Ada"))
        print(greeter.greet(name="Grace"))


if __name__ == "__main__":
    main()
