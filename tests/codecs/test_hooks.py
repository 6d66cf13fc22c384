"""Types that travel as others: what they travel as, what a peer may send, and what does not fit."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mpipc import hooks
from mpipc.errors import ConversionError
from mpipc.testing.loopback import Loopback
from tests.codecs.declarations.leaves import Keyed, Leaves, Shy, Unkeyed, Unread, Wire
from tests.codecs.declarations.values import Country
from tests.codecs.echo import loopback, method_of

UTC = timezone.utc
EAST, WEST = timezone(timedelta(hours=1)), timezone(timedelta(hours=-1))
ID = UUID("8e5eac9a-4b9f-4c5f-9a52-0d9a2c2bd2f6")


def travels(method: str, value: object, writer: type = Leaves, reader: type = Wire) -> Any:
    """What one interface reads where the other one wrote a value."""
    written, read = Loopback(writer, Giving(value)), Loopback(reader, None)
    table = written.generated.server.methods
    number = next(key for key, each in table.items() if each.name.endswith(f".{method}"))
    written.serve(*number, NO_PARAMETERS)
    read.answer = written.results
    return getattr(read.client, method)()


def reads(method: str, value: object) -> Any:
    """What arrives where a peer sends this."""
    return travels(method, value, Wire, Leaves)


NO_PARAMETERS = bytes([0, 0, 0, 0, 1, 0, 0, 0, *bytes(8)])


class Giving:
    """Has every method, and each returns the same."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._value


TRAVELS = [
    ("uuid", ID, ID.bytes),
    ("decimal", Decimal("1.10"), "1.10"),
    ("decimal", Decimal("-0E+7"), "-0E+7"),
    ("decimal", Decimal("-sNaN12"), "-sNaN12"),
    ("decimal", Decimal("-Infinity"), "-Infinity"),
    ("decimal", Decimal((0, (1,), -(10**17))), f"1E-{10**17}"),
    ("moment", datetime(1970, 1, 1, tzinfo=UTC), 0),
    ("moment", datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), -3_600_000_000),
    ("moment", datetime.min.replace(tzinfo=UTC), -62_135_596_800_000_000),
    ("moment", datetime.max.replace(tzinfo=UTC), 253_402_300_799_999_999),
    ("naive", datetime(1970, 1, 1, microsecond=1), 1),
    ("day", date.min, -719_162),
    ("day", date.max, 2_932_896),
    ("clock", time(23, 59, 59, 999_999), 86_399_999_999),
    ("seconds", timedelta(days=-1), -86_400),
    ("seconds", timedelta.max, 2**63 - 1),
    ("microseconds", timedelta(microseconds=-1), -1),
    ("path", Path("/a/../b"), "/a/../b"),
    ("address", IPv4Address("1.2.3.4"), "1.2.3.4"),
    ("address6", IPv6Address("fe80::1%eth0"), "fe80::1%eth0"),
    ("network", IPv4Network("10.0.0.0/8"), "10.0.0.0/8"),
    ("point", complex(1, -0.0), [1.0, -0.0]),
]


@pytest.mark.parametrize(("method", "value", "wire"), TRAVELS, ids=str)
def test_what_a_value_travels_as(method: str, value: Any, wire: object) -> None:
    assert travels(method, value) == wire
    arrived = reads(method, wire)
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value) or arrived == value


DOES_NOT_FIT = [
    ("uuid", "8e5eac9a", "expected UUID, got str '8e5eac9a'"),
    ("uuid", None, "expected UUID, got None"),
    ("decimal", 1.5, "expected Decimal, got float 1.5"),
    ("decimal", Decimal("1" * 5000), "5000 characters, where 4300 may travel"),
    ("moment", datetime(2020, 1, 1), "it has no time zone"),
    ("moment", 5, "expected datetime, got int 5"),
    ("moment", datetime.min.replace(tzinfo=EAST), "out of range in UTC"),
    ("moment", datetime.max.replace(tzinfo=WEST), "out of range in UTC"),
    ("naive", datetime(2020, 1, 1, tzinfo=UTC), "it has a time zone, where none is wanted"),
    ("day", datetime(2020, 1, 1), "a datetime is more than a date"),
    ("clock", time(1, tzinfo=UTC), "it has a time zone, where none is wanted"),
    ("seconds", timedelta(seconds=1.5), "no whole number of units of 1.0 seconds"),
    ("microseconds", timedelta.max - timedelta(days=1), "is out of range for Int64"),
    ("path", "a/b", "expected Path, got str 'a/b'"),
    ("path", Path("\udcff"), "is no valid Unicode"),
    ("address", "1.2.3.4", "expected IPv4Address, got str '1.2.3.4'"),
    ("point", "1", "expected complex, got str '1'"),
    ("shy_list", "ab", "expected a list, got str 'ab'"),
]


@pytest.mark.parametrize(("method", "value", "message"), DOES_NOT_FIT, ids=str)
def test_a_value_that_does_not_fit(method: str, value: object, message: str) -> None:
    with pytest.raises(ConversionError) as caught:
        travels(method, value)
    assert str(caught.value).startswith(f"Leaves.{method}: result: ")
    assert message in str(caught.value)


HOSTILE = [
    ("uuid", b"", "0 bytes instead of 16"),
    ("uuid", bytes(17), "17 bytes instead of 16"),
    ("decimal", "", "no decimal number"),
    ("decimal", "9" * 1_000_000, "no decimal number"),
    ("decimal", "1_0", "no decimal number"),
    ("decimal", " 1", "no decimal number"),
    ("decimal", "\u0661", "no decimal number"),
    ("decimal", "1e9999999999999999999", "the exponent is out of range"),
    ("moment", 2**63 - 1, "out of range"),
    ("moment", -(2**63), "out of range"),
    ("moment", 253_402_300_800_000_000, "out of range"),
    ("naive", 2**62, "out of range"),
    ("day", 2**31 - 1, "out of range"),
    ("day", -719_163, "out of range"),
    ("clock", -1, "out of range"),
    ("clock", 86_400_000_000, "out of range"),
    ("seconds", 2**62, "out of range"),
    ("address", "1.2.3", "Expected 4 octets"),
    ("address", "1" * 1_000_000, "no IP address"),
    ("address", "\u0661.2.3.4", "no IP address"),
    ("address6", "::" * 60, "no IP address"),
    ("network", "10.0.0.1/8", "has host bits set"),
    ("point", [], "0 numbers instead of 2"),
    ("point", [1.0] * 10_000, "10000 numbers instead of 2"),
    ("shy", "Ada", "received 'Ada': Ada is not at home"),
    ("shy_list", ["Ada", "Bob"], "received 'Ada': Ada is not at home"),
]


@pytest.mark.parametrize(("method", "wire", "message"), HOSTILE, ids=lambda value: str(value)[:30])
def test_what_a_peer_sends_is_checked(method: str, wire: object, message: str) -> None:
    with pytest.raises(ConversionError) as caught:
        reads(method, wire)
    assert str(caught.value).startswith(f"Leaves.{method}: result: received ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 250


def test_what_a_hook_raises_when_it_reads_is_the_cause_of_the_error() -> None:
    with pytest.raises(ConversionError) as caught:
        reads("shy", "")
    assert isinstance(caught.value.__cause__, SystemError)


def test_what_a_hook_for_subclasses_reads_is_of_the_annotated_class() -> None:
    loop, recorder = loopback(method_of("Echo", "country")[0])
    recorder.returns = Country("fr")
    assert type(loop.client.country(Country("de"))) is Country
    assert type(recorder.taken[0]) is Country


def test_the_last_registration_counts() -> None:
    class Local:
        pass

    assert hooks.find(Local) is None
    hooks.register(Local, wire=str, build=str, read=str)
    hooks.register(Local, wire=int, build=str, read=str)
    found = hooks.find(Local)
    assert found is not None and found.wire is int

    class Derived(Local):
        pass

    assert hooks.find(Derived) is None
    hooks.register(Local, wire=bytes, build=str, read=str, subclasses=True)
    found = hooks.find(Derived)
    assert found is not None and found.wire is bytes and found.takes_type
    found = hooks.find(Local)
    assert found is not None and found.wire is int
    hooks.register_if(
        lambda annotation, metadata: annotation is Local and "as text" in metadata,
        wire=str, build=str, read=str,
    )  # fmt: skip
    found = hooks.find(Local, ("as text",))
    assert found is not None and found.wire is str


def test_a_type_of_ones_own() -> None:
    assert travels("shy", Shy()) == "somebody"


def test_a_server_names_the_method_and_the_field_of_what_it_cannot_read() -> None:
    """Whether the value is a parameter or deep inside of one."""
    for method, message in (("key", "value"), ("keys", "Key.id"), ("keyed", "TextUUIDEntry.value")):
        written = Loopback(Unkeyed, Giving(None))
        arguments: dict[str, Any] = {
            "key": b"short",
            "keys": [Unread(1, b"short")],
            "keyed": {"a": b"short"},
        }
        getattr(written.client, method)(arguments[method])
        read = Loopback(Keyed, Giving(None))
        table = read.generated.server.methods
        number = next(key for key, each in table.items() if each.name == f"Keyed.{method}")
        with pytest.raises(ConversionError) as caught:
            read.serve(*number, written.params)
        assert str(caught.value) == (
            f"Keyed.{method}: {message}: received b'short': 5 bytes instead of 16"
        )


def test_what_cannot_be_read_is_none_of_the_exceptions_that_a_method_declares() -> None:
    written = Loopback(Unkeyed, Giving(None))
    written.client.raising(b"short")
    read = Loopback(Keyed, Giving(None))
    table = read.generated.server.methods
    number = next(key for key, each in table.items() if each.name == "Keyed.raising")
    with pytest.raises(ConversionError, match=r"^Keyed\.raising: value: received"):
        read.serve(*number, written.params)
