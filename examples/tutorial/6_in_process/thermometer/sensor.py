"""The implementation; a process of its own when it is spawned: python -m thermometer.sensor"""

import os
from collections.abc import Callable

import mpipc
from thermometer.api import Subscription, Thermometer


class Registered(Subscription):
    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel

    def cancel(self) -> None:
        self._cancel()


class Sensor(Thermometer):
    def __init__(self) -> None:
        self._celsius = 19.5
        self._alarms: list[Callable[[float], None]] = []

    def celsius(self) -> float:
        self._celsius += 1
        for alarm in self._alarms:
            alarm(self._celsius)
        return self._celsius

    def process(self) -> int:
        return os.getpid()

    def subscribe(self, alarm: Callable[[float], None]) -> Subscription:
        self._alarms.append(alarm)
        return Registered(lambda: self._alarms.remove(alarm))


if __name__ == "__main__":
    mpipc.serve_spawned(Sensor())
