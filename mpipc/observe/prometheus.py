"""A snapshot as text for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mpipc.introspection.api import BOUNDS, MethodCounts, Snapshot

Sample = tuple[str, dict[str, str], float]


def text(snapshot: Snapshot) -> str:
    """The text format, version 0.0.4: `text/plain; version=0.0.4; charset=utf-8`."""
    return "".join(f"{line}\n" for line in _lines(snapshot))


def _lines(snapshot: Snapshot) -> Iterator[str]:
    methods, connections = snapshot.methods, snapshot.connections
    yield from _family(
        "mpipc_call_seconds", "histogram", "How long calls took, by which they are counted.",
        (sample for method in methods for sample in _histogram(method)),
    )  # fmt: skip
    yield from _family(
        "mpipc_call_errors_total", "counter", "Calls that raised an exception, by its class.",
        (
            ("", {**_labels(method), "error": error}, count)
            for method in methods
            for error, count in method.errors.items()
        ),
    )  # fmt: skip
    yield from _family(
        "mpipc_calls_running", "gauge", "Calls that have not ended.",
        (("", _labels(method), method.running) for method in methods),
    )  # fmt: skip
    made = {"server": snapshot.accepted, "client": snapshot.made}
    yield from _family(
        "mpipc_connections_total", "counter", "Connections that there were, by the side we are.",
        (("", {"side": side}, count) for side, count in made.items()),
    )  # fmt: skip
    there = Counter(each.side for each in connections)
    yield from _family(
        "mpipc_connections", "gauge", "Connections that are open, by the side we are.",
        (("", {"side": side}, there[side]) for side in made),
    )  # fmt: skip
    exported: Counter[str] = Counter()
    for each in connections:
        exported.update(each.objects)
    yield from _family(
        "mpipc_objects", "gauge", "Objects of ours that other processes hold.",
        (("", {"interface": name}, count) for name, count in sorted(exported.items())),
    )  # fmt: skip
    yield from _family(
        "mpipc_objects_held", "gauge", "Objects of other processes that we hold.",
        [("", {}, sum(each.held for each in connections))],
    )  # fmt: skip
    yield from _family(
        "mpipc_threads", "gauge", "Threads that other processes have made here.",
        [("", {}, sum(len(each.threads) for each in connections))],
    )  # fmt: skip
    passed = {"sent": snapshot.sent_bytes, "received": snapshot.received_bytes}
    yield from _family(
        "mpipc_bytes_total", "counter", "Bytes that went over connections, before TLS.",
        (("", {"direction": name}, count) for name, count in passed.items()),
    )  # fmt: skip


def _family(name: str, kind: str, help: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"
    for suffix, labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(each)}"' for label, each in labels.items())
        yield f"{name}{suffix}{{{inside}}} {value}" if inside else f"{name}{suffix} {value}"


def _histogram(method: MethodCounts) -> Iterator[Sample]:
    labels, below = _labels(method), 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), method.buckets, strict=True):
        below += count
        yield "_bucket", {**labels, "le": bound}, below
    yield "_sum", labels, method.seconds
    yield "_count", labels, method.calls


def _labels(method: MethodCounts) -> dict[str, str]:
    return {"side": method.side, "interface": method.interface, "method": method.method}


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
