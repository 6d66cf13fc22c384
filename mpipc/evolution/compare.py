"""Changes between two sets of schema files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mpipc.evolution.changes import BOTH, Change, Spot, renamed
from mpipc.evolution.interfaces import compare_interfaces
from mpipc.evolution.pairs import NOWHERE, Pair, paired, paired_files
from mpipc.evolution.records import compare_records
from mpipc.evolution.types import Types
from mpipc.schema.compiled import Enum, File, Record
from mpipc.schema.ids import child_id


def compare(old: Sequence[File], new: Sequence[File]) -> list[Change]:
    """Every difference between two versions of a package."""
    files = paired_files(old, new)
    interfaces = list(paired(files, lambda file: file.interfaces))
    types = Types(old, new, {(p.old.id, p.new.id) for p in interfaces if p.old and p.new})
    changes = [change for before, after in files for change in _compare_file_ids(before, after)]
    changes += [change for before, after in files for change in _compare_constants(before, after)]
    for interface in interfaces:
        changes += compare_interfaces(interface, types)
    for struct in paired(files, lambda file: file.structs):
        changes += _compare_structs(struct, types)
    for enum in paired(files, lambda file: file.enums):
        changes += _compare_enums(enum)
    return changes


def _compare_file_ids(old: File, new: File) -> Iterator[Change]:
    if old is NOWHERE or new is NOWHERE or old.id == new.id:
        return
    spot = Spot((old.path, new.path))
    what = f"file id changed from {old.id:#x} to {new.id:#x}"
    stayed = {each.name for each in new.interfaces}
    affected = [
        each.name
        for each in old.interfaces
        if each.name in stayed and each.id == child_id(old.id, each.name)
    ]
    if not affected:
        effect = "the id of no interface follows from it, and those of structs do not travel"
        yield Change("file-id", spot, what, effect)
    else:
        yield Change(
            "file-id",
            spot,
            what,
            f"the ids of {', '.join(affected)} follow from it: every call answers Unimplemented",
            BOTH,
            f"__schema__ = mpipc.SchemaFile(id={old.id:#x})",
        )


def _compare_constants(old: File, new: File) -> Iterator[Change]:
    files = old.path, new.path
    for name, value in new.constants.items():
        before = old.constants.get(name)
        if before is None:
            effect = "old programs do not know it"
            yield Change("constant-added", Spot(files, name), "added", effect)
        elif before != value:
            what = f"changed from {before} to {value}"
            effect = "it does not travel: old programs go on with the value that they know"
            yield Change("constant-changed", Spot(files, name), what, effect)
    for name in old.constants.keys() - new.constants.keys():
        effect = "programs that were built with it keep it"
        yield Change("constant-removed", Spot(files, name, old=True), "removed", effect)


def _compare_structs(pair: Pair[Record], types: Types) -> Iterator[Change]:
    old, new = pair.old, pair.new
    if old is None:
        yield Change("struct-added", pair.spot, "added", "old programs do not know it")
    elif new is None:
        yield Change("struct-removed", pair.spot, "removed", "nothing uses it any more")
    else:
        if old.name != new.name:
            yield renamed("struct", old.name, pair.spot)
        yield from compare_records(old, new, "field", pair.spot, types)


def _compare_enums(pair: Pair[Enum]) -> Iterator[Change]:
    old, new, spot = pair.old, pair.new, pair.spot
    if old is None:
        yield Change("enum-added", spot, "added", "old programs do not know it")
    elif new is None:
        yield Change("enum-removed", spot, "removed", "nothing uses it any more")
    else:
        yield from _compare_enumerants(old.enumerants, new.enumerants, spot)


def _compare_enumerants(old: tuple[str, ...], new: tuple[str, ...], spot: Spot) -> Iterator[Change]:
    for ordinal, name in enumerate(old):
        if name in new:
            now = f"moved from @{ordinal} to @{new.index(name)}"
            changed = new.index(name) != ordinal
        else:
            now = "removed"
            changed = ordinal >= len(new) or new[ordinal] in old
        if changed:
            yield Change(
                "enumerant-changed",
                spot,
                f"{name!r} {now}",
                "the value is another one, or none, to the other side",
                BOTH,
                "the enumerants as they were, and new ones behind them",
            )
    for name in new[len(old) :]:
        if name not in old:
            effect = "old programs do not know the value"
            yield Change("enumerant-added", spot, f"{name!r} added", effect)
