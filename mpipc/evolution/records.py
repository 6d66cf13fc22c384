"""Changes in a struct, a parameter list or a result list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from mpipc.derive.lock import former_name
from mpipc.derive.names import capitalized
from mpipc.evolution.changes import BOTH, CLIENTS, SERVERS, Change, Spot, Who
from mpipc.evolution.types import Types, misreading, missing
from mpipc.schema.compiled import CONTEXT, Field, Record

Role = Literal["field", "parameter", "result"]


@dataclass(frozen=True)
class _Words:
    """How a role is spoken of. `unset` are those who suffer when the other side does not send it:
    the old ones who read what new ones no longer write. `untold`: the same, the other way round."""

    reader: str
    unset: tuple[Who, ...]
    untold: str


_WORDS: dict[Role, _Words] = {
    "field": _Words("whoever reads it", BOTH, "old programs"),
    "parameter": _Words("the server", SERVERS, "old clients"),
    "result": _Words("the client", CLIENTS, "old servers"),
}


def compare_records(
    old: Record, new: Record, role: Role, spot: Spot, types: Types
) -> Iterator[Change]:
    """Every difference between two versions of a record; `spot` is the struct or the method's
    part that they are."""
    return _Comparison(old, new, role, spot, types).run()


def is_context(field: Field) -> bool:
    return field.type.id == CONTEXT


class _Comparison:
    def __init__(self, old: Record, new: Record, role: Role, spot: Spot, types: Types) -> None:
        self._role = role
        self._words = _WORDS[role]
        self._spot = spot
        self._types = types
        self._old = {field.ordinal: field for field in old.fields}
        self._new = {field.ordinal: field for field in new.fields}
        self._old_names = {field.name: field for field in old.fields}
        self._new_names = {field.name: field for field in new.fields}

    def run(self) -> Iterator[Change]:
        pairs, removed, appeared = self._pair()
        stayed = {old.name: new for old, new in pairs}
        for old, new in pairs:
            yield from self._changed(old, new, stayed)
        for old in removed:
            yield from self._removed(old, stayed, appeared)
        came = {new.name: old for old, new in pairs}
        for new in appeared:
            yield from self._appeared(new, came)

    def _pair(self) -> tuple[list[tuple[Field, Field]], list[Field], list[Field]]:
        """Members of the same name, else, where both names are in one version only, at the same
        ordinal; the old ones that are gone, and the new ones. A context is the method's business.
        """
        appeared = {
            field.ordinal: field
            for name, field in self._new_names.items()
            if name not in self._old_names and _is_member(field)
        }
        pairs, removed = [], []
        for old in filter(_is_member, self._old.values()):
            new = self._new_names.get(old.name) or appeared.pop(old.ordinal, None)
            if new is None:
                removed.append(old)
            else:
                pairs.append((old, new))
        return pairs, removed, list(appeared.values())

    def _change(
        self,
        kind: str,
        member: Field,
        what: str,
        effect: str,
        breaks: tuple[Who, ...] = (),
        instead: str = "",
        *,
        gone: bool = False,
    ) -> Change:
        spot = msgspec.structs.replace(self._spot, member=member.name, old=gone)
        return Change(f"{self._role}-{kind}", spot, what, effect, breaks, instead)

    # ------------------------------------------------------------------------------ what is gone

    def _removed(
        self, old: Field, stayed: Mapping[str, Field], appeared: list[Field]
    ) -> Iterator[Change]:
        value = _flagged(old, self._old_names)
        if value is not None:
            if value.name in stayed:
                yield self._flag_removed(old, stayed[value.name])
            return
        if old.exception:
            yield Change(
                "exception-removed",
                msgspec.structs.replace(self._spot, part=""),
                f"no longer declares the exception that it calls {old.name!r}",
                "where an old server raises it, new clients go on with an empty result",
                SERVERS,
                "the exception in `raises`, also when the method no longer raises it",
            )
            return
        renamed = next((f.name for f in appeared if self._alike(old, f)), None)
        keep = f"keep it{', even if nobody reads it' if self._role == 'parameter' else ''}"
        if renamed:
            keep = f'if it is now called {renamed!r}: Field(name="{old.name}") there; else {keep}'
        effect = f"they read {missing(old.type)}, for new programs do not send it"
        if old.union is not None:
            effect = "new programs refuse it, as they do whatever they do not know"
        if self._role == "parameter":
            effect += "; what old clients send is ignored"
        yield self._change("removed", old, "removed", effect, self._words.unset, keep, gone=True)

    def _alike(self, old: Field, new: Field) -> bool:
        """Whether one may be the other by another name, whose callback is named after it."""
        return self._types.same(old.type, new.type) or old.type.kind == new.type.kind == "interface"

    def _flag_removed(self, flag: Field, value: Field) -> Change:
        zero = missing(value.type)
        return Change(
            "flag-removed",
            msgspec.structs.replace(self._spot, member=value.name),
            f"can no longer be None: its flag {flag.name!r} is gone",
            f"old programs get None whatever is sent, and their None arrives as {zero}",
            BOTH,
            "`| None` after its type",
        )

    # --------------------------------------------------------------------------- what is new

    def _appeared(self, new: Field, came: Mapping[str, Field]) -> Iterator[Change]:
        before = self._old.get(new.ordinal)
        value = _flagged(new, self._new_names)
        if before is not None:
            yield self._taken(before, new)
        elif value is not None:
            if value.name in came:
                yield self._flag_added(new, value)
        elif new.exception:
            yield Change(
                "exception-added",
                msgspec.structs.replace(self._spot, part=""),
                f"declares an exception now, and calls it {new.name!r}",
                "where a new server raises it, they see no exception, but an empty result",
                CLIENTS,
                "a new method that raises it; an exception that is not declared reaches old"
                " clients as RemoteError",
            )
        else:
            flag = self._new_names.get(_flag_of(new.name))
            default = missing(new.type) if flag is None else "None"
            effect = f"{self._words.untold} do not send it: {self._words.reader} gets {default}"
            if self._is_alternative(new):
                effect = "old programs refuse it, with an error, when they receive it"
            yield self._change("added", new, f"added @{new.ordinal}", effect)

    def _is_alternative(self, new: Field) -> bool:
        """Whether it is in a union that there was already."""
        return any(_shares_union(new, old) for old in self._old.values())

    def _flag_added(self, flag: Field, value: Field) -> Change:
        return Change(
            "flag-added",
            msgspec.structs.replace(self._spot, member=value.name),
            f"can be None now: a flag {flag.name!r} is beside it",
            f"old programs set no flag, so that their values arrive as None, and get"
            f" {missing(value.type)} for None",
            BOTH,
            f"leave it, and add another, optional {self._role}",
        )

    def _taken(self, before: Field, new: Field) -> Change:
        """An explicit ordinal put something into the place of a removed member."""
        former = former_name(before.name)
        place = new.type.name if new.type.kind == "primitive" else "AnyPointer"
        if former == new.name and place == before.type.name:
            return self._change(
                "restored",
                new,
                f"is back at @{new.ordinal}",
                "safe if it is of the type that it had",
            )
        return self._change(
            "reused",
            new,
            f"takes the ordinal {new.ordinal} of the removed {former!r}",
            f"programs that still know {former!r} take one for the other",
            BOTH,
            "no explicit ordinal: the next free one",
        )

    # ------------------------------------------------------------------------- what is different

    def _moved(self, old: Field, new: Field) -> Change:
        return self._change(
            "ordinal",
            new,
            f"moved from @{old.ordinal} to @{new.ordinal}",
            f"it is taken for another {self._role}: wrong values, or a malformed message",
            BOTH,
            f"no explicit ordinals, or {old.ordinal} as in the committed schema",
        )

    def _changed(self, old: Field, new: Field, stayed: Mapping[str, Field]) -> Iterator[Change]:
        if old.ordinal != new.ordinal:
            yield self._moved(old, new)
            return
        value = _flagged(old, self._old_names)
        if old.name != new.name and (value is None or value.name not in stayed):
            yield self._change(
                "renamed",
                new,
                f"renamed from {old.name!r}, still @{new.ordinal}",
                "the same on the wire; code that uses the name has to follow",
            )
        if not self._types.same(old.type, new.type):
            yield self._change(
                "type",
                new,
                f"type changed from {old.type} to {new.type}",
                misreading(old.type, new.type) + self._others_moved(),
                BOTH,
                f"leave it as it is, and add another {self._role} of the new type",
            )
        elif old.type.kind == new.type.kind == "struct" and old.type.id != new.type.id:
            yield self._change(
                "struct",
                new,
                f"type changed from {old.type} to {new.type}, whose fields are the same",
                "the same on the wire: ids of structs do not travel",
            )
        elif old.default != new.default:
            yield self._change(
                "default",
                new,
                f"wire default changed from {old.default or 0} to {new.default or 0}",
                "the wire holds the difference to the default: wrong values, without an error",
                BOTH,
                "the old wire_default; a Python default is filled in by the caller, and is free",
            )
        if old.union != new.union:
            yield self._union(old, new)

    def _others_moved(self) -> str:
        """The compiler packs by size: another size moves those behind it."""
        moved = [
            new.name
            for ordinal, new in self._new.items()
            if ordinal in self._old
            and self._types.same(self._old[ordinal].type, new.type)
            and self._old[ordinal].offset != new.offset
        ]
        return f"; it also moves {', '.join(moved)}" if moved else ""

    def _union(self, old: Field, new: Field) -> Change:
        others = [field for field in self._new.values() if _shares_union(field, new)]
        if old.union is None and all(f.ordinal not in self._old for f in others if f is not new):
            return self._change(
                "union",
                new,
                "moved into a new union",
                "old programs do not see when another member of the union is set, and read this",
            )
        return self._change(
            "union",
            new,
            "moved out of its union" if new.union is None else "moved into an existing union",
            "one side writes the tag of the union and the other does not: wrong member, no error",
            BOTH,
            f"leave it, and add another {self._role}",
        )


def _is_member(field: Field) -> bool:
    return former_name(field.name) is None and not is_context(field)


def _flagged(flag: Field, among: Mapping[str, Field]) -> Field | None:
    """The member that a Bool stands beside to say whether it has a value (WIRE.md, "Values"),
    None for a field that is no flag."""
    if flag.type.name != "Bool":
        return None
    return next((f for name, f in among.items() if flag.name == _flag_of(name)), None)


def _flag_of(name: str) -> str:
    return f"has{capitalized(name)}"


def _shares_union(a: Field, b: Field) -> bool:
    return a.union is not None and b.union is not None and a.union[0] == b.union[0]
