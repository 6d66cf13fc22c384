"""What of the old version is what of the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Generic, TypeVar

from mpipc.evolution.changes import Spot
from mpipc.schema.compiled import Enum, File, Interface, Record

T = TypeVar("T", Record, Interface, Enum)

NOWHERE = File("", 0, (), (), ())
"""The file that a version does not have."""


@dataclass(frozen=True)
class Pair(Generic[T]):
    """A type in both versions, or in one, and the files that it is in."""

    old: T | None
    new: T | None
    old_file: File
    new_file: File

    @property
    def spot(self) -> Spot:
        found = self.new or self.old
        assert found is not None
        return Spot((self.old_file.path, self.new_file.path), found.name, old=self.new is None)


def paired_files(old: Sequence[File], new: Sequence[File]) -> list[tuple[File, File]]:
    """Files with the same id, else of the same name; two single files in any case."""
    left = list(old)
    pairs = []
    for after in new:
        same_id = [each for each in left if each.id == after.id]
        same_name = [each for each in left if PurePath(each.path).stem == PurePath(after.path).stem]
        found = same_id or same_name or (left if len(old) == len(new) == 1 else [NOWHERE])
        pairs.append((found[0], after))
        left = [each for each in left if each is not found[0]]
    return pairs + [(before, NOWHERE) for before in left]


def paired(
    files: Sequence[tuple[File, File]], types: Callable[[File], tuple[T, ...]]
) -> Iterator[Pair[T]]:
    """Types with the same id wherever they are, else of the same name in the same file."""
    left = {each.id: (each, file) for file, _ in files for each in types(file)}
    found: list[Pair[T]] = []
    for old_file, new_file in files:
        for each in types(new_file):
            before, file = left.pop(each.id, (None, old_file))
            found.append(Pair(before, each, file, new_file))
    for pair in found:
        if pair.old is None and pair.new is not None:
            for before, file in list(left.values()):
                if file is pair.old_file and before.name == pair.new.name:
                    del left[before.id]
                    pair = Pair(before, pair.new, file, pair.new_file)
        yield pair
    partner = {old.path: new for old, new in files}
    for before, file in left.values():
        yield Pair(before, None, file, partner[file.path])
