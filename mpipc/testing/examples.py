"""Running a check with many examples, and saying all there is to know about one that fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from mpipc.model import Interface, Method

_WORD = 8


def run_examples(
    check: Callable[..., None], *values: st.SearchStrategy[Any], max_examples: int | None
) -> int:
    """Run a check with values of strategies, and return how often it ran.

    `max_examples`: by default as many as hypothesis's current profile says. When the check fails,
    it is tried with ever simpler values, and the exception of the simplest is raised.
    """
    count = 0

    @given(st.tuples(*values))
    def example(values: tuple[Any, ...]) -> None:
        nonlocal count
        count += 1
        check(*values)

    with deprecated_too():
        settings_for(max_examples)(example)()
    return count


def settings_for(max_examples: int | None) -> settings:
    """Hypothesis's current profile, without deadlines: how long an example takes is not checked."""
    return settings(
        settings() if max_examples is None else settings(max_examples=max_examples),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        report_multiple_bugs=False,
    )


@contextmanager
def deprecated_too() -> Iterator[None]:
    """Methods that are deprecated may be called without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@contextmanager
def explained(
    interface: Interface,
    method: Method,
    arguments: tuple[Any, ...],
    answer: Any,
    messages: Mapping[str, bytes],
) -> Iterator[None]:
    """Add to an exception what was called with which values, and the messages that there are by
    then."""
    try:
        yield
    except Exception:
        called = ", ".join(map(repr, arguments))
        gave = "raises" if isinstance(answer, BaseException) else "->"
        note(f"{interface.name}.{method.name}({called}) {gave} {answer!r}")
        for name, message in messages.items():
            note(f"{name}, {len(message)} bytes:\n{hex_dump(message)}")
        raise


def hex_dump(message: bytes) -> str:
    """A message, one word of Cap'n Proto in a line: position, bytes, characters."""
    lines = []
    for at in range(0, len(message), _WORD):
        word = message[at : at + _WORD]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in word)
        lines.append(f"  {at:04x}  {word.hex(' '):23}  {text}")
    return "\n".join(lines)
