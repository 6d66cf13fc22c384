"""UUID -> Data, its 16 bytes."""

from __future__ import annotations

from uuid import UUID

from mpipc import hooks


def build_uuid(value: UUID) -> bytes:
    return value.bytes


def read_uuid(data: bytes) -> UUID:
    if len(data) != 16:
        raise ValueError(f"{len(data)} bytes instead of 16")
    return UUID(bytes=data)


hooks.register(UUID, wire=bytes, build=build_uuid, read=read_uuid)
