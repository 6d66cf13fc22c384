"""The table for people, the JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict
from statistics import median

from benchmarks.claims import Verdict
from benchmarks.measure import ROWS, THREADS, Effort, Results, Series

_REFERENCE = "mpipc"


def _microseconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e3:.1f}"


def _milliseconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:.1f}"


def _per_second(nanoseconds: float) -> str:
    return f"{1e9 / nanoseconds:,.0f}"


_HEADINGS: dict[str, tuple[str, Callable[[float], str]]] = {
    "calls": ("Call after call: get_block_hash(int) -> 32 bytes; µs per call", _microseconds),
    "one thread": ("The same from a thread of its own; calls per second", _per_second),
    "callback": ("Callback inside a call, one thread; µs per call", _microseconds),
    "threads": (f"Calls from {THREADS} threads at once; calls per second in all", _per_second),
    "many": ("Calls that are not waited for; calls per second", _per_second),
    "rows": (f"Large result: {ROWS:,} structs into objects; ms", _milliseconds),
    "data": ("One large value: {effort.data:,} bytes; ms", _milliseconds),
    "view": ("The same, of which the caller gets a view if it can; ms", _milliseconds),
    "callbacks": (f"Callback inside a call, {THREADS} threads; calls per second", _per_second),
}


def table(found: dict[str, Results], effort: Effort) -> str:
    """For each task and place: median, fastest and slowest round, and the time by mpipc's."""
    load = os.getloadavg()[1]
    machine = f"{platform.system()}, {os.cpu_count()} CPUs, load {load:.1f}"
    lines = [f"Python {platform.python_version()}, {machine}"]
    for task, (heading, show) in _HEADINGS.items():
        for place, results in found.items():
            lines += ["", f"{heading.format(effort=effort)}; on {place}", ""]
            lines += [f"    {name:<26}{text}" for name, text in _rows(results[task], show)]
    return "\n".join(lines)


def _rows(series: dict[str, Series], show: Callable[[float], str]) -> Iterator[tuple[str, str]]:
    yield "", f"{'median':>9}   {'fastest - slowest':<19}{'time x mpipc':>13}"
    reference = series[_REFERENCE].rounds
    for name, one in series.items():
        if one.missing:
            yield name, f"{one.missing:>9}"
            continue
        spread = f"{show(min(one.rounds))} - {show(max(one.rounds))}"
        ratio = median(one.rounds) / median(reference)
        yield name, f"{show(median(one.rounds)):>9}   {spread:<19}{ratio:>13.2f}"


def claims_table(verdicts: list[Verdict]) -> str:
    """Every claim, what was found (median and quartiles of the rounds), and whether it holds."""
    lines = ["", "Claims", "", f"    {'':<48}{'claimed':>8}   {'on':<10}{'found':<24}holds", ""]
    for verdict in verdicts:
        holds = {True: "yes", False: "NO", None: "-"}[verdict.holds]
        lines.append(
            f"    {verdict.text:<48}{verdict.claimed:>8}   {verdict.place:<10}{verdict.found:<24}"
            f"{holds}"
        )
    return "\n".join(lines)


def as_json(
    found: dict[str, Results], effort: Effort, verdicts: list[Verdict]
) -> dict[str, object]:
    """Every figure, in nanoseconds per operation, and what it was measured on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "effort": asdict(effort),
        "claims": [asdict(verdict) for verdict in verdicts],
        "nanoseconds": {
            place: {
                task: {
                    name: {
                        "median": median(one.rounds) if one.rounds else None,
                        "rounds": one.rounds,
                        "missing": one.missing,
                    }
                    for name, one in series.items()
                }
                for task, series in results.items()
            }
            for place, results in found.items()
        },
    }
