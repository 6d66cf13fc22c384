"""Starts a Rocket: python -m countdown.client"""

import threading

import mpipc
from countdown.api import Rocket

lock = threading.RLock()


def show(number: int) -> bool:
    with lock:  # main holds it already, on the same thread
        print(number, "on", threading.current_thread().name)
    return True


def main() -> None:
    with mpipc.connect("unix:rocket.sock", Rocket) as rocket:
        with lock:
            print(rocket.count_down(3, show))
        print(rocket.count_down(10, lambda number: number > 8))


if __name__ == "__main__":
    main()
