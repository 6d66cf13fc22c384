"""Ordinals: given out in order of declaration, and never to anybody else again.

What a committed schema says of a module comes in from above as a `Lock`, for each list of members
what it has: the methods of an interface under its name, the fields of a struct, the parameters or
results of a method under `Record.path`.

    committed: getA @0, getB @1, getC @2        declared: get_c, get_d, get_a

    getA @0   reserved1GetB @1   getC @2   getD @3
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import repeated
from mpipc.model import Reserved

Lock = Mapping[str, Sequence[Reserved]]
"""Members as they would be reserved: a name, an ordinal and, for a field, its type."""

Locks = Callable[[str], Lock]
"""The lock of a module, by the module's name."""

_ORDINALS = 1 << 16
"""How many there can be."""

_RESERVED = re.compile(r"reserved([0-9]+)([A-Z][A-Za-z0-9]*)\Z")


def no_lock(module: str) -> Lock:
    """For modules that were never committed: ordinals follow the order of declaration."""
    return {}


def reserved_name(name: str, ordinal: int) -> str:
    """What the place of a removed member is called: `getBlock @3` -> `reserved3GetBlock`."""
    return f"reserved{ordinal}{''.join(part[0].upper() + part[1:] for part in name.split('.'))}"


def former_name(name: str) -> str | None:
    """What a removed member was called: the reverse of `reserved_name`, None for a member that is
    still there."""
    found = _RESERVED.match(name)
    return None if found is None else found[2][0].lower() + found[2][1:]


def check_ordinal(name: str, asked: object) -> None:
    """Raise Mistake for what is no ordinal."""
    if asked is not None and (type(asked) is not int or not 0 <= asked < _ORDINALS):
        raise Mistake(
            f"{name} has the ordinal {asked!r}",
            f"a number from 0 to {_ORDINALS - 1}; `name=` says what it is called in the schema",
        )


def number(
    members: Sequence[tuple[str, int | None]], locked: Sequence[Reserved] = ()
) -> tuple[list[int], tuple[Reserved, ...]]:
    """Ordinals for members in order of declaration, each given as its schema name and the ordinal
    that it asks for; and the places of those that are gone.

    A member gets the ordinal that it asks for, else the one that it has, else the next free one
    after all that were ever used. Raises Mistake for equal ordinals and for gaps, which Cap'n
    Proto does not allow.
    """
    for name, asked in members:
        check_ordinal(name, asked)
    had = {each.name: each.ordinal for each in locked if former_name(each.name) is None}
    wanted = [had.get(name) if asked is None else asked for name, asked in members]
    taken = [ordinal for ordinal in wanted if ordinal is not None]
    again = repeated(map(str, taken))
    for (name, asked), ordinal in zip(members, wanted, strict=True):
        if asked is None and str(ordinal) in again:
            raise Mistake(
                f"the ordinal {ordinal} is that of {name} in the committed schema",
                f"another ordinal, or one for {name}, too",
            )
    if again:
        raise Mistake(
            f"the ordinal {', '.join(again)} is used twice", "an ordinal of its own for each"
        )
    reserved = tuple(
        each if former_name(each.name) else _place_of(each)
        for each in locked
        if each.ordinal not in taken
    )
    count = len(members) + len(reserved)
    used = {*taken, *(each.ordinal for each in reserved)}
    free = (ordinal for ordinal in range(count) if ordinal not in used)
    numbers = [next(free, -1) if ordinal is None else ordinal for ordinal in wanted]
    missing = sorted(set(range(count)) - used - set(numbers))
    if missing:
        raise Mistake(
            f"the ordinals {sorted(taken)} leave a gap: {', '.join(map(str, missing))} is missing",
            f"ordinals from 0 to {count - 1}, each once",
        )
    return numbers, reserved


def _place_of(removed: Reserved) -> Reserved:
    name = reserved_name(removed.name, removed.ordinal)
    return Reserved(name, removed.ordinal, removed.type)
