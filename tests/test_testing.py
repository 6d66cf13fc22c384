"""mpipc.testing: round trips over real connections, on the project's own interfaces."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from interfaces.common import BlockRef
from interfaces.echo import Echo
from interfaces.mining import Mining
from mpipc import testing
from mpipc.capnp.message import Message


class WrongEcho(Echo):
    """Returns something else than it is told."""

    def echo(self, echo: str) -> str:
        return echo + "!"


def test_a_connection_reaches_the_object_itself() -> None:
    with testing.connected(WrongEcho(), Echo) as echo:
        assert echo.echo("a") == "a!"


@pytest.mark.parametrize("check", [testing.roundtrip, testing.differential])
def test_a_conversion_that_loses_something_is_found(
    check: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read = Message.text
    monkeypatch.setattr(Message, "text", lambda self, *pointer: read(self, *pointer)[:7])
    with pytest.raises(AssertionError, match=r"the (method|caller) gets .*0000000'") as caught:
        check(Echo, max_examples=200)
    assert "\n" not in str(caught.value)  # pytest adds nothing to it
    # Python 3.10 has no notes: hypothesis prints them.
    said = "\n".join(getattr(caught.value, "__notes__", [])) + capsys.readouterr().out
    assert re.search(r"Echo\.echo\('0*'\) -> '0*'", said)
    assert re.search(r"(parameters|results), \d+ bytes:\n", said)
    assert "30 30 30 30 30 30 30 30  00000000" in said


@given(testing.values(BlockRef), testing.arguments(Mining.check_block))
@settings(max_examples=20)
def test_strategies_give_values_of_the_declared_types(
    ref: BlockRef, arguments: tuple[object, ...]
) -> None:
    assert isinstance(ref, BlockRef)
    assert -(2**31) <= ref.height < 2**31
    assert isinstance(arguments[0], bytes)
