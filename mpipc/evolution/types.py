"""Types on the wire: whether two are the same, and what happens where they are not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mpipc.derive.names import integer_range
from mpipc.schema.compiled import Enum, Field, File, Record, Type


class Types:
    """The declared types of both versions. Ids of structs and enums do not travel, so two with
    different ids are the same where all that is in them is. `renumbered`: pairs of ids of
    interfaces that are the same but for their ids, which is said of them and not of their users.
    """

    def __init__(
        self, old: Sequence[File], new: Sequence[File], renumbered: Collection[tuple[int, int]]
    ) -> None:
        self._old = _by_id(old)
        self._new = _by_id(new)
        self._renumbered = renumbered
        self._assumed: set[tuple[int, int]] = set()

    def same(self, old: Type, new: Type) -> bool:
        """Whether one version can read what the other wrote."""
        if (old.kind, len(old.arguments)) != (new.kind, len(new.arguments)):
            return False
        if not all(map(self.same, old.arguments, new.arguments)):
            return False
        if old.kind not in ("struct", "enum", "interface"):
            return old.name == new.name
        if old.id == new.id or (old.id, new.id) in self._renumbered:
            return True
        return old.kind != "interface" and self._alike(old.id, new.id)

    def _alike(self, old_id: int, new_id: int) -> bool:
        old, new = self._old.get(old_id), self._new.get(new_id)
        if isinstance(old, Enum) and isinstance(new, Enum):
            return old.enumerants == new.enumerants
        if not isinstance(old, Record) or not isinstance(new, Record):
            return False
        if (old_id, new_id) in self._assumed:
            return True
        self._assumed.add((old_id, new_id))
        alike = len(old.fields) == len(new.fields) and all(
            self._alike_fields(a, b) for a, b in zip(old.fields, new.fields, strict=True)
        )
        if not alike:
            self._assumed.discard((old_id, new_id))
        return alike

    def _alike_fields(self, old: Field, new: Field) -> bool:
        place = (old.ordinal, old.offset, old.default, old.union)
        return place == (new.ordinal, new.offset, new.default, new.union) and self.same(
            old.type, new.type
        )


def _by_id(files: Sequence[File]) -> Mapping[int, Record | Enum]:
    found: dict[int, Record | Enum] = {}
    for file in files:
        found.update({each.id: each for each in file.structs})
        found.update({each.id: each for each in file.enums})
    return found


def misreading(old: Type, new: Type) -> str:
    """What somebody sees who reads a value as another type than it was written as."""
    kinds = {old.kind, new.kind}
    if kinds <= {"primitive", "enum"}:
        if _signs_differ(old, new):
            _, most = integer_range(f"Int{_bits(old)}")
            return f"the same bits are another number: those below 0 and above {most} change"
        return "the number is read from other bytes than it was written to: wrong, without an error"
    if kinds & {"primitive", "enum"}:
        return "it is looked for in another place: 0, empty or None, without an error"
    if kinds == {"interface"}:
        return "calls on the object answer Unimplemented"
    if kinds == {"struct"}:
        return "its fields are read as those of another struct: wrong values, without an error"
    return "the bytes mean something else: a malformed message, or wrong values"


def _signs_differ(old: Type, new: Type) -> bool:
    names = {old.name.removeprefix("U"), new.name.removeprefix("U")}
    return len(names) == 1 and "Int" in old.name


def _bits(type: Type) -> str:
    return type.name.lstrip("UInt")


def missing(type: Type) -> str:
    """What somebody reads who is not sent a value."""
    if type.name in ("Text", "Data", "List"):
        return "None, or an empty value"
    return {
        "primitive": "False" if type.name == "Bool" else "0",
        "enum": "0",
        "interface": "None",
        "struct": "None, or a struct of zeros",
    }.get(type.kind, "nothing")
