"""What is claimed of mpipc's speed, as ratios of what was measured in one run, and as limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.measure import THREADS, Results
from benchmarks.startup import FIRST_CALL, GENERATED, IMPORT

_MPIPC, _AIO = "mpipc", "mpipc.aio"
_MANAGERS, _PYCAPNP, _SOCKET = "multiprocessing.managers", "pycapnp", "bare socket"


@dataclass(frozen=True)
class Ratio:
    """The time of `one` (task, contestant) is at most, or at least, so many times that of `other`,
    round by round."""

    text: str
    one: tuple[str, str]
    other: tuple[str, str]
    at_most: float | None = None
    at_least: float | None = None
    each: float = 1

    @property
    def claimed(self) -> str:
        """For people."""
        return f"<= {self.at_most:g}" if self.at_most is not None else f">= {self.at_least:g}"


RATIOS = (
    Ratio("a call : multiprocessing.managers", ("calls", _MPIPC), ("calls", _MANAGERS), 0.8),
    Ratio("a call : pycapnp", ("calls", _MPIPC), ("calls", _PYCAPNP), 0.12),
    Ratio("a call : bare socket", ("calls", _MPIPC), ("calls", _SOCKET), 2.2),
    Ratio(
        "a callback in a call : two calls", ("callback", _MPIPC), ("one thread", _MPIPC), 1.2,
        each=2,
    ),
    Ratio(f"{THREADS} threads : one thread", ("threads", _MPIPC), ("one thread", _MPIPC), 1),
    Ratio(
        f"{THREADS} threads : managers' {THREADS} threads", ("threads", _MPIPC),
        ("threads", _MANAGERS), 1,
    ),
    Ratio("a call : one in a pipeline", ("calls", _MPIPC), ("many", _MPIPC), at_least=5),
    Ratio("structs, pycapnp : mpipc", ("rows", _PYCAPNP), ("rows", _MPIPC), at_least=5),
    Ratio("structs, managers : mpipc", ("rows", _MANAGERS), ("rows", _MPIPC), at_least=1),
    Ratio("large bytes : bare socket", ("data", _MPIPC), ("data", _SOCKET), 1.5),
    Ratio("large view : bare socket", ("view", _MPIPC), ("data", _SOCKET), 1),
    Ratio("asyncio, pycapnp : mpipc", ("calls", _PYCAPNP), ("calls", _AIO), at_least=3),
)  # fmt: skip

LIMITS = ((IMPORT, 60.0), (FIRST_CALL, 5.0), (GENERATED, 30.0))  # milliseconds


@dataclass(frozen=True)
class Verdict:
    """A claim, where it was tried (a place, or any), what was found, and whether it holds."""

    text: str
    claimed: str
    place: str
    found: str
    holds: bool | None


def verdicts(results: dict[str, Results], starts: dict[str, list[float]]) -> Iterator[Verdict]:
    """Of every claim in every place; None where a rival is not installed."""
    for ratio in RATIOS:
        for place in results:
            yield _of_ratio(ratio, place, results[place])
    for name, limit in LIMITS:
        times = starts[name]
        shown = f"{median(times):.1f}   {_quartiles(times, '.1f')}"
        yield Verdict(f"{name}; ms", f"<= {limit:g}", "any", shown, median(times) <= limit)


def _of_ratio(ratio: Ratio, place: str, results: Results) -> Verdict:
    one, other = (results[task][name] for task, name in (ratio.one, ratio.other))
    if one.missing or other.missing:
        return Verdict(ratio.text, ratio.claimed, place, one.missing or other.missing, None)
    found = [a / (b * ratio.each) for a, b in zip(one.rounds, other.rounds, strict=True)]
    middle = median(found)
    holds = (ratio.at_most is None or middle <= ratio.at_most) and (
        ratio.at_least is None or middle >= ratio.at_least
    )
    shown = f"{middle:.2f}   {_quartiles(found, '.2f')}"
    return Verdict(ratio.text, ratio.claimed, place, shown, holds)


def _quartiles(found: list[float], form: str) -> str:
    low, _, high = quantiles(found, n=4, method="inclusive")
    return f"{low:{form}} - {high:{form}}"
