"""Changes in interfaces and their methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from mpipc.derive.lock import former_name
from mpipc.evolution.changes import BOTH, CLIENTS, SERVERS, Change, Spot, renamed
from mpipc.evolution.pairs import NOWHERE, Pair
from mpipc.evolution.records import compare_records, is_context
from mpipc.evolution.types import Types
from mpipc.schema.compiled import Interface, Method, Record
from mpipc.schema.ids import child_id


def compare_interfaces(pair: Pair[Interface], types: Types) -> Iterator[Change]:
    old, new, spot = pair.old, pair.new, pair.spot
    moved = ""
    if pair.new_file is NOWHERE:
        moved = (
            f"; or, if its module was: mpipc.SchemaFile(id={pair.old_file.id:#x}), and its"
            " committed schema renamed with it"
        )
    if old is None:
        yield Change("interface-added", spot, "added", "old programs do not know it")
    elif new is None:
        yield Change(
            "interface-removed",
            spot,
            "removed",
            "every call on it answers Unimplemented",
            CLIENTS,
            f'keep it; or, if it was only renamed: mpipc.interface(name="{old.name}") on the class'
            f" or the Callable{moved}",
        )
    else:
        yield from _compare_ids(pair, old, new)
        yield from _compare_bases(old, new, spot)
        yield from _Methods(old, new, spot, types).changes()


def _compare_ids(pair: Pair[Interface], old: Interface, new: Interface) -> Iterator[Change]:
    if old.id == new.id:
        if old.name != new.name:
            yield renamed("interface", old.name, pair.spot)
        return
    files = pair.old_file.id, pair.new_file.id
    if files[0] != files[1] and old.id == child_id(files[0], old.name):
        return  # said of the file
    yield Change(
        "interface-id",
        pair.spot,
        f"id changed from {old.id:#x} to {new.id:#x}",
        "every call on it answers Unimplemented",
        BOTH,
        "the id that it had",
    )


def _compare_bases(old: Interface, new: Interface, spot: Spot) -> Iterator[Change]:
    lost = set(old.bases.values()) - set(new.bases.values())
    gained = set(new.bases.values()) - set(old.bases.values())
    for name in sorted(lost):
        yield Change(
            "base-removed",
            spot,
            f"no longer extends {name}",
            f"methods that come from {name} answer Unimplemented",
            CLIENTS,
            f"{name} among the bases of the class",
        )
    for name in sorted(gained):
        effect = f"old servers answer Unimplemented to the methods of {name}"
        yield Change("base-added", spot, f"extends {name} now", effect)


class _Methods:
    """The methods of two versions of an interface."""

    def __init__(self, old: Interface, new: Interface, spot: Spot, types: Types) -> None:
        self._old, self._new, self._spot, self._types = old, new, spot, types

    def changes(self) -> Iterator[Change]:
        old_names = {method.name for method in self._old.methods}
        new_names = {method.name: method for method in self._new.methods}
        appeared = {
            method.ordinal: method
            for name, method in new_names.items()
            if name not in old_names and former_name(name) is None
        }
        removed = []
        for old in self._old.methods:
            if former_name(old.name) is not None:
                continue
            new = new_names.get(old.name)
            if new is None and _is_declared(old, appeared.get(old.ordinal)):
                new = appeared.pop(old.ordinal)
            if new is None:
                removed.append(old)
            else:
                yield from self._changed(old, new)
        for old in removed:
            yield self._removed(old, list(appeared.values()))
        for new in appeared.values():
            yield self._appeared(new)

    def _at(self, method: Method, *, gone: bool = False) -> Spot:
        path = f"{self._spot.path}.{method.name}"
        return msgspec.structs.replace(self._spot, path=path, old=gone)

    def _removed(self, old: Method, appeared: Sequence[Method]) -> Change:
        at = self._at(old, gone=True)
        if old.name == "destroy":
            return Change(
                "destroy-removed",
                self._spot,
                "no longer has 'destroy'",
                "mpipc.close on it raises Unimplemented",
                CLIENTS,
                "@mpipc.interface(destroy=True)",
            )
        if old.name == "construct":
            return Change(
                "construct-removed",
                self._spot,
                "no longer has 'construct'",
                "they find no object to start with",
                CLIENTS,
                "@mpipc.interface(root=True)",
            )
        instead = "keep it, with @mpipc.method(deprecated=...) for a while"
        renamed = next((m.name for m in appeared if self._same_signature(old, m)), None)
        if renamed:
            instead = f"if it is now called {renamed!r}: @mpipc.method({old.ordinal}) there;" \
                      f" else {instead}"  # fmt: skip
        effect = "calling it answers Unimplemented"
        return Change("method-removed", at, "removed", effect, CLIENTS, instead)

    def _same_signature(self, old: Method, new: Method) -> bool:
        records = ((old.params, new.params), (old.results, new.results))
        return all(
            len(before.fields) == len(after.fields)
            and all(
                self._types.same(a.type, b.type)
                for a, b in zip(before.fields, after.fields, strict=True)
            )
            for before, after in records
        )

    def _appeared(self, new: Method) -> Change:
        at = self._at(new)
        taken = self._old.methods[new.ordinal : new.ordinal + 1]
        former = former_name(taken[0].name) if taken else None
        if former == new.name:
            effect = "safe if it is called with what it was called with"
            return Change("method-restored", at, f"is back at @{new.ordinal}", effect)
        if former is not None:
            return Change(
                "method-reused",
                at,
                f"takes the ordinal {new.ordinal} of the removed {former!r}",
                f"where they call {former!r}, they reach it",
                CLIENTS,
                "no explicit ordinal: it gets the next free one",
            )
        if new.name == "destroy":
            return Change(
                "destroy-added",
                self._spot,
                "has 'destroy' now",
                "mpipc.close on an object of theirs raises Unimplemented",
                SERVERS,
                "@mpipc.interface(destroy=False)",
            )
        effect = "old servers answer Unimplemented"
        return Change("method-added", at, f"added @{new.ordinal}", effect)

    def _changed(self, old: Method, new: Method) -> Iterator[Change]:
        at = self._at(new)
        if old.ordinal != new.ordinal:
            yield Change(
                "method-ordinal",
                at,
                f"moved from @{old.ordinal} to @{new.ordinal}",
                "calls reach another method, or none: Unimplemented, or wrong values",
                BOTH,
                f"no explicit ordinals, or {old.ordinal} as in the committed schema",
            )
            return
        if old.name != new.name:
            yield Change(
                "method-renamed",
                at,
                f"renamed from {old.name!r}, still @{new.ordinal}",
                "the same on the wire; code that uses the name has to follow",
            )
        yield from _compare_signatures(old, new, at, self._types)


def _is_declared(old: Method, new: Method | None) -> bool:
    """Whether one may be the other under another name: what the protocol adds has always one."""
    names = {old.name, new.name} if new else {"destroy"}
    return not names & {"destroy", "construct"}


def _compare_signatures(old: Method, new: Method, spot: Spot, types: Types) -> Iterator[Change]:
    had, has = (any(map(is_context, each.params.fields)) for each in (old, new))
    if has and not had:
        yield _context_added(old.params, new.params, spot)
    else:
        if had and not has:
            yield Change(
                "context-removed",
                spot,
                "has no context any more",
                "they are not told which thread to use: Python takes any, C++ refuses the call",
                SERVERS,
                "context=True, or another method",
            )
        params = msgspec.structs.replace(spot, part="Params")
        yield from compare_records(old.params, new.params, "parameter", params, types)
    results = msgspec.structs.replace(spot, part="Results")
    yield from compare_records(old.results, new.results, "result", results, types)


def _context_added(old: Record, new: Record, spot: Spot) -> Change:
    offsets = {field.name: field.offset for field in new.fields}
    moved = [f.name for f in old.fields if offsets.get(f.name, f.offset) != f.offset]
    if moved:
        effect = f"it comes first and moves {', '.join(moved)}: malformed messages, or wrong values"
    else:
        effect = "they do not say which thread to use: Python takes any, C++ refuses the call"
    instead = "context=False, or another method"
    breaks = BOTH if moved else CLIENTS
    return Change("context-added", spot, "has a context now", effect, breaks, instead)
