"""Serves an Account: python -m bank.server"""

import time
from contextlib import suppress

import mpipc
from bank.api import Account, NotEnoughMoney


class SmallAccount(Account):
    def __init__(self) -> None:
        self._balance = 50
        self._bookings = ["opened with 50"]

    def withdraw(self, amount: int) -> int:
        if amount > self._balance:
            raise NotEnoughMoney(f"only {self._balance} left")
        self._balance -= amount
        self._bookings.append(f"withdrew {amount}")
        return self._balance

    def booking(self, number: int) -> str:
        return self._bookings[number]

    def audit(self, seconds: float) -> None:
        time.sleep(seconds)


def main() -> None:
    with suppress(KeyboardInterrupt), mpipc.serve("unix:bank.sock", SmallAccount()) as server:
        print("serving on", server.address)
        server.serve_forever()


if __name__ == "__main__":
    main()
