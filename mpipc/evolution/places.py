"""Where declarations stand: in Python where the model is at hand, else in the schema file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mpipc.declare import SCHEMA_FILE
from mpipc.derive.mistakes import Place, locate
from mpipc.evolution.changes import Spot
from mpipc.evolution.zeros import zeroless
from mpipc.model import (
    MADE_UP,
    Field,
    Interface,
    InterfaceType,
    ListType,
    MapType,
    Method,
    Model,
    Module,
    Struct,
    Type,
    TypeName,
    UnionType,
)
from mpipc.schema.source import read_outline


class Found(msgspec.Struct, frozen=True):
    """A declaration's name as its author knows it, and where it stands. `zeroless`: why it
    must be sent (see there)."""

    title: str
    file: str
    line: int
    zeroless: str = ""


Index = Mapping[str, Found]
"""The declarations of one schema file by `key`."""


def key(path: str = "", part: str = "", member: str = "") -> str:
    """A declaration within a file, as in `Spot`."""
    return f"{path}${part}.{member}" if member else path


class Places:
    """Finds spots in two versions, each with an index for each of its schema files."""

    def __init__(self, old: Mapping[str, Index], new: Mapping[str, Index]) -> None:
        self._old, self._new = old, new

    def zeroless(self, spot: Spot) -> str:
        """Why a declaration has no zero, empty for most."""
        found = self._index(spot, old=False).get(key(spot.path, spot.part, spot.member))
        return found.zeroless if found else ""

    def title(self, spot: Spot) -> str:
        """`Chain.get_block(height)`, or the name of the file."""
        exact = self._index(spot, old=False).get(key(spot.path, spot.part, spot.member))
        if exact is not None:
            return exact.title
        above, _, last = spot.path.rpartition(".")
        found = self._find(spot.path, spot)
        title = found.title if found else spot.path
        if not found and above:
            scope = self._find(above, spot)
            title = f"{scope.title if scope else above}.{last}"
        if not spot.member:
            return title
        form = {"Params": "{}({})", "Results": "{} -> {}", "": "{}.{}"}[spot.part]
        return form.format(title, spot.member)

    def where(self, spot: Spot) -> tuple[str, int]:
        """File and line of a spot; of what is around it, for one that is gone."""
        exact = key(spot.path, spot.part, spot.member)
        around = [exact, spot.path, spot.path.rpartition(".")[0]]
        if spot.old:
            around = [each for each in around if each and each != exact] or around
        found = next((f for each in around if each and (f := self._find(each, spot))), None)
        found = found or self._find("", spot)
        return (found.file, found.line) if found else (spot.files[1] or spot.files[0], 1)

    def _find(self, key: str, spot: Spot) -> Found | None:
        return self._index(spot, old=False).get(key) or self._index(spot, old=True).get(key)

    def _index(self, spot: Spot, *, old: bool) -> Index:
        return (self._old if old else self._new).get(spot.files[0 if old else 1], {})


def shown(path: str | Path) -> str:
    """A path relative to the working directory where it is below that."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


# ------------------------------------------------------------------------------- in schema files


def schema_index(path: Path, name: str) -> Index:
    """Where a schema file declares what. `name`: its name in reports. Raises SchemaError."""
    found = {"": Found(name, name, 1)}
    for scope_path, scope in read_outline(path).items():
        owner, _, part = scope_path.partition("$")
        if not part:
            found[scope_path] = Found(scope_path, name, scope.line)
        for member in scope.members:
            if scope.kind == "interface":
                method = f"{scope_path}.{member.name}"
                found[method] = Found(method, name, member.line)
            else:
                form = {"Params": "{}({})", "Results": "{} -> {}", "": "{}.{}"}[part]
                title = form.format(owner, member.name)
                found[key(owner, part, member.name)] = Found(title, name, member.line)
    return found


# ------------------------------------------------------------------------------------- in Python


def python_index(model: Model, module: Module) -> Index:
    """Where an interface module declares what is in its schema."""
    return dict(_PythonIndex(model, module).entries())


class _PythonIndex:
    def __init__(self, model: Model, module: Module) -> None:
        self._model = model
        self._module = module
        self._used = dict(reversed(list(_uses(model))))

    def entries(self) -> Iterator[tuple[str, Found]]:
        yield "", _found(self._module.name, Place(self._module.name, SCHEMA_FILE))
        for each in self._module.constants:
            yield each.schema_name, _found(each.name, Place(self._module.name, each.name))
        for struct in self._module.structs:
            yield from self._struct(struct)
        for interface in self._module.interfaces:
            yield from self._interface(interface)

    def _place(self, type: TypeName, *, made_up: bool) -> Place:
        """A class; for what has none, the place of what it was made up for."""
        return (
            self._used.get(type, Place(type.module)) if made_up else Place(type.module, type.name)
        )

    def _struct(self, struct: Struct) -> Iterator[tuple[str, Found]]:
        made_up = struct.generic is not None or struct.kind in (*MADE_UP, "union")
        place = self._place(struct.key, made_up=made_up)
        yield struct.name, _found(struct.key.name, place)
        for field in struct.fields:
            at = place if made_up else place.at_member(field.name)
            yield from self._member(struct.name, "", field, f"{struct.key.name}.{{}}", at)

    def _interface(self, interface: Interface) -> Iterator[tuple[str, Found]]:
        made_up = interface.classless or interface.generic is not None
        place = self._place(interface.key, made_up=made_up)
        name = interface.key.name
        yield interface.name, _found(name, place)
        for method in interface.methods:
            at = place
            if method.kind == "method" and not interface.classless:
                at = place.at_member(method.name)
            path = f"{interface.name}.{method.schema_name}"
            title = name if interface.callable else f"{name}.{method.name}"
            yield path, _found(title, at)
            yield from self._signature(path, title, method, at, made_up=interface.classless)

    def _signature(
        self, path: str, title: str, method: Method, place: Place, *, made_up: bool
    ) -> Iterator[tuple[str, Found]]:
        for field in method.parameters:
            at = place if made_up else place.at_parameter(field.name)
            yield from self._member(path, "Params", field, f"{title}({{}})", at)
        for field in method.result_fields:
            at = place
            if isinstance(method.returns, TypeName):
                at = Place(method.returns.module, method.returns.name, field.name)
            yield from self._member(path, "Results", field, f"{title} -> {{}}", at)

    def _member(
        self, path: str, part: str, field: Field, title: str, place: Place
    ) -> Iterator[tuple[str, Found]]:
        found = _found(title.format(field.name), place)
        found = msgspec.structs.replace(found, zeroless=zeroless(self._model, field))
        yield key(path, part, field.slot.name), found
        if field.flag is not None:
            yield key(path, part, field.flag.name), found
        for each in field.group:
            yield from self._member(path, part, each, title.format(f"{field.name}.{{}}"), place)


def _found(title: str, place: Place) -> Found:
    file, colon, line = (locate(place) or place.module).rpartition(":")
    return Found(title, file, int(line)) if colon else Found(title, line, 1)


def _uses(model: Model) -> Iterator[tuple[TypeName, Place]]:
    """Types and the places where somebody writes them."""
    for module in model.modules.values():
        for struct in module.structs:
            for field in struct.fields:
                at = Place(struct.key.module, struct.key.name, field.name)
                yield from ((type, at) for type in _types_in(field.type))
        for interface in module.interfaces:
            for method in interface.methods:
                at = Place(interface.key.module, interface.key.name, method.name)
                for field in (*method.parameters, *method.result_fields):
                    yield from ((type, at) for type in _types_in(field.type))


def _types_in(type: Type) -> Iterator[TypeName]:
    match type:
        case MapType(key, value, entry):
            yield entry
            yield from _types_in(key)
            yield from _types_in(value)
        case ListType(element):
            yield from _types_in(element)
        case InterfaceType(key) | UnionType(key):
            yield key
