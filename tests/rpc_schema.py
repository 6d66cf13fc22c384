"""`rpc.capnp` as the official compiler sees it, and messages in the words of that schema."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import capnp

from mpipc.capnp.frame import FrameReader
from mpipc.capnp.message import DEFAULT_LIMITS, Message
from mpipc.schema import INCLUDE

TEXT = (Path(capnp.__file__).parent / "rpc.capnp").read_text()


@cache
def rpc() -> Any:
    """pycapnp's module of the `rpc.capnp` that it comes with."""
    return _load(TEXT)


@cache
def proxy() -> Any:
    """pycapnp's module of our `mp/proxy.capnp`."""
    return capnp.SchemaParser().load(str(INCLUDE / "mp/proxy.capnp"), imports=[str(INCLUDE)])


@cache
def later_rpc() -> Any:
    """As `rpc`, of a later version of the schema: every struct has a number and a text more."""
    lines = []
    for line in TEXT.splitlines():
        lines.append(line)
        opened = re.match(r"struct (\w+) \{", line)
        if opened:
            schema = getattr(rpc(), opened[1]).schema
            next_ordinal = _ordinals(schema)
            lines.append(f"  laterNumber @{next_ordinal} :UInt64;")
            lines.append(f"  laterText @{next_ordinal + 1} :Text;")
    return _load("\n".join(lines))


def _ordinals(schema: Any) -> int:
    """How many ordinals a struct uses, those in its groups and unions included."""
    total = 0
    for field in schema.node.struct.fields:
        if field.which() == "group":
            total += _ordinals(schema.fields[field.name].schema)
        else:
            total += 1
    return total


def _load(text: str) -> Any:
    with TemporaryDirectory() as directory:
        path = Path(directory, "rpc.capnp")
        path.write_text(text)
        return capnp.SchemaParser().load(str(path), imports=[str(INCLUDE)])


def read(message: bytes) -> dict[str, Any]:
    """One message in the words of `rpc.capnp`; contents of any type are `...`."""
    with rpc().Message.from_bytes(message) as reader:
        found: dict[str, Any] = _without_contents(reader.to_dict())
        return found


def _without_contents(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: ... if key == "content" else _without_contents(v) for key, v in value.items()}
    return value


def parsed(stream: bytes | Iterable[bytes]) -> list[Message]:
    """A stream's messages as the session gets them."""
    reader = FrameReader(DEFAULT_LIMITS)
    chunks = [stream] if isinstance(stream, bytes) else stream
    return [message for chunk in chunks for message in reader.feed(chunk)]
