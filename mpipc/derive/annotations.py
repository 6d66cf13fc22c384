"""What a type annotation says once names are resolved and wrappers are taken off."""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import getitem
from typing import (
    Annotated,
    Final,
    ForwardRef,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import typing_extensions

from mpipc.derive.mistakes import Mistake, syntax_tree

M = TypeVar("M")

_PRESENCE: dict[object, bool | None] = {
    typing_extensions.Required: True,
    typing_extensions.NotRequired: False,
    typing_extensions.ReadOnly: None,
}


@dataclass(frozen=True)
class Annotation:
    """An annotation without `Annotated`, `| None`, NewType and alias layers.

    Annotated[Int32 | None, Field(name="x")]  ->  base=int, optional, metadata=(WireType, Field)

    Of several alternatives, `base` is their union, without None; `alias` is what `type X = A | B`
    calls it. `required`: what `Required` or `NotRequired` say of the key of a TypedDict.
    """

    base: object
    metadata: tuple[object, ...] = ()
    optional: bool = False
    required: bool | None = None
    alias: str = ""

    @property
    def origin(self) -> object:
        """`list` for `list[int]`, None for a plain class."""
        return get_origin(self.base)

    @property
    def args(self) -> tuple[object, ...]:
        return get_args(self.base)

    def find(self, kind: type[M]) -> M | None:
        """The metadata of one kind; the outermost where there are several."""
        found = [item for item in self.metadata if isinstance(item, kind)]
        return found[-1] if found else None


@dataclass
class Scope:
    """The names that annotations of one module may use."""

    module: str
    names: dict[str, object]
    _type_checking: dict[str, object] | None = None
    _known: dict[str, Annotation] = field(default_factory=dict)

    def unwrap(self, annotation: object) -> Annotation:
        """Resolve names and take the wrappers off. Raises Mistake."""
        if not isinstance(annotation, str):
            return self._unwrap(annotation)
        if annotation not in self._known:
            self._known[annotation] = self._unwrap(annotation)
        return self._known[annotation]

    def _unwrap(self, annotation: object) -> Annotation:
        metadata: list[object] = []
        optional = False
        required: bool | None = None
        alias = ""
        while True:
            if isinstance(annotation, ForwardRef):
                annotation = annotation.__forward_arg__
            origin = get_origin(annotation)
            if isinstance(annotation, str):
                annotation = self._evaluate(annotation)
            elif origin is Annotated:
                annotation, *extra = get_args(annotation)
                # Outer metadata goes last, where `find` looks first.
                metadata[:0] = [item for each in extra for item in _flatten(each)]
            elif origin is Literal and None in get_args(annotation):
                values = tuple(each for each in get_args(annotation) if each is not None)
                annotation = Literal.__getitem__(values) if values else None
                optional = True
            elif origin is Final:
                (annotation,) = get_args(annotation)
            elif origin in _PRESENCE:
                (annotation,) = get_args(annotation)
                required = _PRESENCE[origin] if required is None else required
            elif origin is Union or origin is types.UnionType:
                alternatives = [*self._alternatives(annotation)]
                kept = [each for each in alternatives if each is not type(None)]
                optional |= len(kept) < len(alternatives)
                if len(kept) != 1:
                    base: object = Union.__getitem__(tuple(kept))
                    return Annotation(base, tuple(metadata), optional, required, alias)
                annotation = kept[0]
            elif isinstance(annotation, NewType):
                annotation = annotation.__supertype__
            elif type(origin).__name__ == "TypeAliasType":
                annotation = origin.__value__[get_args(annotation)]  # type: ignore[union-attr]
            elif type(annotation).__name__ == "TypeAliasType":
                alias = annotation.__name__  # type: ignore[attr-defined]
                annotation = annotation.__value__  # type: ignore[attr-defined]
            else:
                return Annotation(annotation, tuple(metadata), optional, required)

    def _alternatives(self, union: object) -> Iterator[object]:
        """What a value of a union can be; those of a union inside of it are its own."""
        for each in get_args(union):
            inner = self._unwrap(each)
            if inner.origin is Union:
                yield from get_args(inner.base)
            elif inner.optional:  # `Literal["a", None]` beside others
                parts = (inner.base, *inner.metadata)
                yield getitem(Annotated, parts) if inner.metadata else inner.base
            else:
                yield each
            if inner.optional:
                yield type(None)

    def _evaluate(self, text: str) -> object:
        try:
            return eval(text, self.names)
        except NameError:
            pass  # perhaps imported for type checkers only
        except Exception as error:
            raise _unresolved(text, error) from None
        if self._type_checking is None:
            self._type_checking = type_checking_names(self.module)
        try:
            return eval(text, {**self._type_checking, **self.names})
        except Exception as error:
            raise _unresolved(text, error) from None


def _flatten(metadata: object) -> tuple[object, ...]:
    """`Annotated[Color, UInt8]` picks the wire type by an alias that is Annotated itself."""
    return get_args(metadata)[1:] if get_origin(metadata) is Annotated else (metadata,)


def _unresolved(text: str, error: Exception) -> Mistake:
    name = isinstance(error, NameError | AttributeError)
    return Mistake(
        f"the annotation {text!r} cannot be resolved: {type(error).__name__}: {error}",
        "a name that the module defines or imports at its top level" if name else "a type",
    )


def type_checking_names(module: str) -> dict[str, object]:
    """What `if TYPE_CHECKING:` blocks at the top level of a module import, imported now. By then
    all modules are loaded, so a cycle that the block avoids is harmless."""
    names: dict[str, object] = {"__name__": module}
    names["__package__"] = getattr(sys.modules.get(module), "__package__", None)
    tree = syntax_tree(module)
    for block in tree.body if tree else ():
        if not isinstance(block, ast.If) or "TYPE_CHECKING" not in ast.unparse(block.test):
            continue
        for statement in block.body:
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                continue
            try:
                exec(compile(ast.Module([statement], []), f"<{module}>", "exec"), names)
            except ImportError:
                continue  # the name stays unknown, which is reported where it is used
    return names


def shown(annotation: object) -> str:
    """An annotation as somebody would write it."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__qualname__
    text = re.sub(r"typing\.Annotated\[\w+, WireType\(name='(\w+)'\)\]", r"\1", str(annotation))
    return re.sub(r"\b(typing|collections(\.abc)?)\.", "", text)
