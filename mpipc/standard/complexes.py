"""complex -> List(Float64): its real and its imaginary part."""

from __future__ import annotations

from collections.abc import Sequence

from mpipc import hooks


def build_complex(value: complex) -> list[float]:
    return [value.real, value.imag]


def read_complex(parts: Sequence[float]) -> complex:
    if len(parts) != 2:
        raise ValueError(f"{len(parts)} numbers instead of 2")
    return complex(*parts)


hooks.register(complex, wire=tuple[float, ...], build=build_complex, read=read_complex)
