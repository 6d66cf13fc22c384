"""Messages that break the encoding: whatever they say, they are read or refused, in due time."""

from __future__ import annotations

import math
import sys
from datetime import timedelta
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory
from typing import Any

import capnp
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpipc.capnp.conversions import duration
from mpipc.capnp.message import POINTER, Message
from mpipc.errors import ConversionError, ProtocolError
from mpipc.generate.load import generated_for
from tests.interop.declarations import Root, Values
from tests.interop.service import write_schema
from tests.mutations import damaged
from tests.rpc_schema import parsed


def load() -> Any:
    with TemporaryDirectory() as directory:
        write_schema(Path(directory))
        path = str(Path(directory, "declarations.capnp"))
        return capnp.SchemaParser().load(path, imports=[directory])


SCHEMA = load()
GENERATED: Any = sys.modules[generated_for(Root).client.__module__]

# --------------------------------------------------------------------------------------- values

VALUES: dict[str, Any] = {
    "flag": True, "small": -128, "number": -(2**63), "unsigned": 2**64 - 1, "ratio": 0.1,
    "single": 0.5, "text": "grüße", "data": b"data", "color": 2, "point": {"x": -1, "y": 1},
    "maybe": -7, "hasMaybe": True, "delay": 1500.0, "flags": [True, False] * 5,
    "numbers": [0, 65535, 258], "texts": ["", "one", "twelve bytes"],
    "points": [{"x": i, "y": -i} for i in range(3)],
    "table": [{"key": "a", "value": {"x": 1, "y": 2}}, {"key": "", "value": {"x": 0, "y": 0}}],
}  # fmt: skip


def encoded(first_segment: int, names: set[str]) -> bytes:
    message = SCHEMA.Values.new_message(num_first_segment_words=first_segment)
    for name in sorted(names):
        setattr(message, name, VALUES[name])
    return bytes(message.to_bytes())


valid_values = st.builds(
    encoded, st.sampled_from([1, 12, 1024]), st.sets(st.sampled_from(sorted(VALUES)), min_size=9)
)


def root_of(message: Message) -> tuple[int, int, int]:
    """The pointer to the root struct, which must be in the first segment."""
    first = message.segments[0][1] if message.segments else message.end
    if first == message.start:
        message.broken("it is empty")
    return message.start, *POINTER.unpack_from(message.buf, message.start)


def load_values(message: Message) -> Values:
    """As generated code does with a parameter."""
    values: Values = GENERATED._load_Values(message, *message.struct(*root_of(message)))
    return values


def as_pycapnp_reads_it(message: bytes) -> Any:
    """The same fields as of `Values`, or None where it does not read them."""
    try:
        with SCHEMA.Values.from_bytes(message) as reader:
            return plain(reader.to_dict())
    except (capnp.KjException, UnicodeDecodeError):
        return None


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """What pycapnp says, in the terms of Python; null pointers are missing in it."""
    points = [point(each) for each in found.get("points", [])]
    table = {e.get("key", ""): point(e.get("value", {})) for e in found.get("table", [])}
    return {
        **{name: bytes_of(found[name]) for name in ("ratio", "single")},
        **{name: found[name] for name in ("flag", "small", "number", "unsigned")},
        **{name: found.get(name, "") for name in ("text",)},
        **{name: found.get(name, []) for name in ("flags", "numbers", "texts")},
        "data": found.get("data", b""),
        "point": point(found.get("point", {})),
        "maybe": found["maybe"] if found["hasMaybe"] else None,
        "color": found["color"],
        "delay": found["delay"],
        "points": points,
        "table": table,
    }


def point(found: dict[str, int]) -> tuple[int, int]:
    return found.get("x", 0), found.get("y", 0)


def bytes_of(number: float) -> bytes:
    """Equal for equal numbers, NaN included."""
    return pack("<d", number)


def same(ours: Values, theirs: dict[str, Any]) -> bool:
    found = msgspec.structs.asdict(ours)
    found.update(
        ratio=bytes_of(ours.ratio),
        single=bytes_of(ours.single),
        color=ours.color.value,
        delay=theirs["delay"],
        point=(ours.point.x, ours.point.y),
        points=[(each.x, each.y) for each in ours.points],
        table={key: (value.x, value.y) for key, value in ours.table.items()},
    )
    return found == theirs and ours.delay == duration(theirs["delay"], "delay")


def no_duration(milliseconds: float) -> bool:
    return math.isnan(milliseconds) or milliseconds < timedelta.min / timedelta(milliseconds=1)


# A list of numbers may have become a list of structs in another version of a schema; mpipc does
# not offer that, and does not read it.
UPGRADED = ("a list of structs was expected", "a list has another element size")


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(damaged(valid_values))
def test_values_are_read_as_pycapnp_reads_them_or_refused(framed: bytes) -> None:
    theirs = as_pycapnp_reads_it(framed)
    try:
        (message,) = parsed(framed)
        ours = load_values(message)
    except ProtocolError as e:
        assert theirs is None or any(each in str(e) for each in UPGRADED), e
    except ConversionError as e:
        assert theirs is None or theirs["color"] not in (1, 2) or no_duration(theirs["delay"]), e
    else:
        assert theirs is not None, ours
        assert same(ours, theirs)
