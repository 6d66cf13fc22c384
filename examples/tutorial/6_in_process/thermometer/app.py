"""Reads a thermometer: python -m thermometer.app [split]"""

import os
import sys

import mpipc
from thermometer.api import Thermometer
from thermometer.sensor import Sensor


def report(thermometer: Thermometer) -> None:
    """Knows nothing about processes."""
    here = thermometer.process() == os.getpid()
    print("the sensor is in", "this process" if here else "another process")
    subscription = thermometer.subscribe(lambda celsius: print("alarm:", celsius))
    print("read:", thermometer.celsius())
    subscription.cancel()
    mpipc.close(subscription)
    print("read:", thermometer.celsius())


def main() -> None:
    if "split" in sys.argv:
        sensor = [sys.executable, "-m", "thermometer.sensor"]
        with mpipc.spawn(sensor, Thermometer) as thermometer:
            report(thermometer)
    else:
        report(Sensor())


if __name__ == "__main__":
    main()
