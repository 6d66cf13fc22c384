"""What stands where in a schema file: names, ordinals, types as written, and lines.

Only the compiler knows what a schema means (`mpipc.schema.compiled`). But it keeps no lines, and a
program whose generated code is up to date must not need it: this reads the outline of a file
without it. https://capnproto.org/language.html is the grammar; of what has no part in an outline
(constants, annotations, defaults) only the brackets matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpipc.errors import SchemaError

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*")|(?P<word>[A-Za-z0-9_][\w.+-]*)
    |(?P<mark>->|[{}()\[\];:=,@.$*-])""",
    re.VERBOSE,
)
_OPENING, _CLOSING = "([{", ")]}"
_SCOPES = ("struct", "interface", "enum", "union", "group")
_NO_MEMBERS = ("@", "$", "using", "const", "annotation")


@dataclass(frozen=True)
class Member:
    """A method, a field, a parameter or a result; `type` as written, empty for a method."""

    name: str
    ordinal: int
    type: str
    line: int


@dataclass
class Scope:
    """A struct, an interface, an enum or a parameter list, and what is in it."""

    kind: str
    line: int
    members: list[Member]


@dataclass(frozen=True)
class _Token:
    text: str
    line: int


def read_outline(path: Path) -> dict[str, Scope]:
    """The scopes of a schema file by their paths, as in `Record.path`: `Chain`, `Block`,
    `Chain.getBlock$Params`. What is in a union or a group belongs to the struct around it; names in
    a group begin with the group's, `origin.x`.

    Raises SchemaError for a file that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: cannot be read: {error}") from None
    return _Reader(str(path), text).read()


class _Reader:
    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._tokens = list(self._split(text))
        self._at = 0
        self._scopes: dict[str, Scope] = {}
        self._group = ""

    def read(self) -> dict[str, Scope]:
        while self._at < len(self._tokens):
            self._statement("", None)
        return self._scopes

    def _split(self, text: str) -> Iterator[_Token]:
        at, line = 0, 1
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._unexpected(_Token(text[at], line))
            if found.lastgroup != "space":
                yield _Token(found[0], line)
            line += found[0].count("\n")
            at = found.end()

    def _statement(self, path: str, scope: Scope | None) -> None:
        """Up to a `;`, or through the block that follows."""
        tokens = self._until("{;}")
        end = self._next()
        if end.text == "}":
            raise self._unexpected(end)
        words = [token.text for token in tokens]
        if end.text == ";":
            if scope is not None and words[1:2] == ["@"]:
                self._member(path, scope, tokens)
            elif not tokens or words[0] not in _NO_MEMBERS:
                raise self._unexpected(tokens[0] if tokens else end)
            return
        kind = next((word for word in words if word in _SCOPES), None)
        if kind is None or not tokens:
            raise self._unexpected(end)
        inside, inner = path, scope
        if kind in ("struct", "interface", "enum"):
            inside = f"{path}.{words[1]}" if path else words[1]
            inner = self._scopes[inside] = Scope(kind, tokens[0].line, [])
        outer = self._group
        if words[1:2] == [":"]:
            self._group = f"{outer}{words[0]}."
        elif inner is not scope:
            self._group = ""
        while self._peek(end).text != "}":
            self._statement(inside, inner)
        self._group = outer
        self._next()

    def _member(self, path: str, scope: Scope, tokens: list[_Token]) -> None:
        name, ordinal = tokens[0], tokens[2]
        if not ordinal.text.isdigit():
            raise self._unexpected(ordinal)
        rest = tokens[3:]
        type = "" if scope.kind != "struct" else _type(rest)
        scope.members.append(Member(self._group + name.text, int(ordinal.text), type, name.line))
        if scope.kind == "interface":
            self._signature(f"{path}.{name.text}", rest)

    def _signature(self, path: str, tokens: list[_Token]) -> None:
        """`(a :Int32, b :Text) -> (result :Bool)`, of which either may be a struct's name."""
        arrow = next((at for at, token in enumerate(tokens) if token.text == "->"), len(tokens))
        for side, part in (("Params", tokens[:arrow]), ("Results", tokens[arrow + 1 :])):
            if part and part[0].text == "(":
                members = [
                    Member(item[0].text, ordinal, _type(item[1:]), item[0].line)
                    for ordinal, item in enumerate(self._items(part))
                ]
                self._scopes[f"{path}${side}"] = Scope("struct", part[0].line, members)

    def _items(self, tokens: list[_Token]) -> Iterator[list[_Token]]:
        """What stands between the commas of the bracket that the tokens start with."""
        item: list[_Token] = []
        depth = 0
        for token in tokens[1:]:
            if depth == 0 and token.text in (",", ")"):
                if item:
                    yield item
                if token.text == ")":
                    return
                item = []
            else:
                item.append(token)
                depth += (token.text in _OPENING) - (token.text in _CLOSING)

    def _until(self, ends: str) -> list[_Token]:
        """The tokens before one of `ends` that is in no round or square bracket."""
        found: list[_Token] = []
        depth = 0
        while True:
            token = self._peek(found[0] if found else None)
            if depth <= 0 and token.text in ends:
                return found
            depth += (token.text in "([") - (token.text in ")]")
            found.append(self._next())

    def _peek(self, opened: _Token | None) -> _Token:
        """The next token. Raises SchemaError where what was opened does not end."""
        if self._at == len(self._tokens):
            line = opened.line if opened else 1
            raise SchemaError(f"{self._path}:{line}: what begins here does not end")
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._peek(None)
        self._at += 1
        return token

    def _unexpected(self, token: _Token) -> SchemaError:
        return SchemaError(
            f"{self._path}:{token.line}: not a schema: {token.text!r}\n    write instead: the file"
            " as it was committed; in a merge, the side that was published, then `mpipc build`"
        )


def _type(tokens: list[_Token]) -> str:
    """What is between `:` and a default, an annotation or the end."""
    words: list[str] = []
    for token in tokens[1:]:
        if token.text in ("=", "$"):
            break
        words.append(token.text)
    return "".join(words)
