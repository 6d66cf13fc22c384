"""The functions of a generated module that refuse values: those that constraints rule out, and
those that a Literal does not list.

Each gives the value back that it is called with, on its way out and on its way in, or raises
ValueError, of which others make an error that says where.
"""

from __future__ import annotations

from collections.abc import Iterator

from mpipc.generate.names import quoted
from mpipc.generate.scope import Scope
from mpipc.model import CheckedType, ListType, LiteralType, MapType, Model, Primitive, TypeName

_TESTS = {
    "ge": "_v >= {}",
    "gt": "_v > {}",
    "le": "_v <= {}",
    "lt": "_v < {}",
    "multiple_of": "_v % {} == 0",
    "min_length": "len(_v) >= {}",
    "max_length": "len(_v) <= {}",
}


class Checks:
    """The functions of one module, each once; `blocks` is their source."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._names: dict[tuple[CheckedType | LiteralType, str], str] = {}
        self._enums: set[TypeName] = set()
        self.blocks: list[list[str]] = []

    def function(self, type: CheckedType | LiteralType, annotation: str) -> str:
        """The name of the function for a type; `annotation` is that of its values."""
        if isinstance(type, CheckedType) and isinstance(type.wire, ListType | MapType):
            annotation = self._scope.runtime("SizedT")  # a list that is sent may be any collection
        key = type, annotation
        if key not in self._names:
            number = len(self._names) + 1
            self._names[key] = f"_check_{number}"
            if isinstance(type, LiteralType):
                self.blocks.append([*self._literal(type, number)])
            else:
                self.blocks.append([*self._checked(type, annotation, number)])
        return self._names[key]

    def enum(self, key: TypeName, model: Model) -> tuple[str, str]:
        """The names of the tables of a declared enum: its members' ordinals, and its members by
        their ordinals."""
        names = self._scope.local(key, "_ordinals_{}"), self._scope.local(key, "_members_{}")
        if key not in self._enums:
            self._enums.add(key)
            cls, scope = self._scope.declared(key), self._scope
            members = model.enumeration(key).members
            ordinals = ", ".join(f"{cls}.{name}: {ordinal}" for name, ordinal in members)
            numbers = ", ".join(f"{ordinal}: {cls}.{name}" for name, ordinal in members)
            table, number = scope.builtin("dict"), scope.builtin("int")
            self.blocks.append(
                [
                    f"{names[0]}: {table}[{cls}, {number}] = {{{ordinals}}}",
                    f"{names[1]}: {table}[{number}, {cls}] = {{{numbers}}}",
                ]
            )
        return names

    def literal(self, type: LiteralType) -> str:
        """The annotation of a Literal."""
        return f"{self._scope.standard('typing.Literal')}[{', '.join(self._values(type))}]"

    def _values(self, type: LiteralType) -> list[str]:
        if type.cls is not None:
            cls = self._scope.declared(type.cls)
            return [f"{cls}.{name!s}" for name in type.values]
        return [_literal(each) for each in type.values]

    def _literal(self, type: LiteralType, number: int) -> Iterator[str]:
        scope, values = self._scope, self._values(type)
        annotation = self.literal(type)
        pairs = ", ".join(f"{value}: {value}" for value in values)
        kinds = f"{scope.builtin('object')}, {annotation}"
        yield f"_values_{number}: {scope.builtin('dict')}[{kinds}] = {{{pairs}}}"
        yield from ("", "")
        yield f"def _check_{number}(_v: {scope.builtin('object')}) -> {annotation}:"
        yield f"    if _v not in _values_{number}:"
        shown = [f"{type.cls.name}.{name!s}" for name in type.values] if type.cls else None
        expected = " or ".join(shown or [repr(value) for value in type.values])
        yield f"        raise {scope.builtin('ValueError')}({quoted(f'must be {expected}')})"
        yield f"    return _values_{number}[_v]"

    def _checked(self, type: CheckedType, annotation: str, number: int) -> Iterator[str]:
        scope, constraints = self._scope, type.constraints
        if constraints.pattern is not None:
            compiled = f"{scope.runtime('regex')}({quoted(constraints.pattern)})"
            yield f"_pattern_{number} = {compiled}"
            yield from ("", "")
        yield f"def _check_{number}(_v: {annotation}) -> {annotation}:"
        if type.wire == Primitive("Float32"):
            yield f"    _v = {scope.runtime('single')}(_v)"
        for name, words in constraints.given():
            if name == "pattern":
                yield f"    if not _pattern_{number}.search(_v):"
            else:
                test = _TESTS[name].format(repr(getattr(constraints, name)))
                test = test.replace("len(", f"{scope.builtin('len')}(")
                yield f"    if not {test}:"
            yield f"        raise {scope.builtin('ValueError')}({quoted(f'must be {words}')})"
        yield "    return _v"


def _literal(value: str | bytes | int) -> str:
    """A value as formatters like it."""
    if isinstance(value, str):
        return quoted(value)
    shown = repr(value)
    return f'b"{shown[2:-1]}"' if shown.startswith("b'") and '"' not in shown else shown
