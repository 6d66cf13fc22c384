"""One change, made to a package that old and new programs use to talk to each other."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A change of the root interface `Chain`, or of `types` before it, and what comes of it.

    `old`, `new`   what is in the class; every `def` is made abstract.
    `between`      what was in it when it was last committed, where that is not `old`.
    `serve`        how a server implements it, `serve_new` where a new one does it differently.
    `call`         what a client evaluates, `chain` being a proxy; `call_new` likewise.
    `old_client`   what an old client gets of a new server: a value, or an exception.
    `new_client`   what a new client gets of an old server.
    `rules`        what `mpipc check` says of the change.
    """

    name: str
    old: str
    new: str
    serve: str
    call: str
    old_client: str
    new_client: str
    rules: tuple[str, ...]
    serve_new: str = ""
    call_new: str = ""
    types: str = ""
    types_new: str | None = None
    between: str = ""

    def declarations(self, *, new: bool) -> str:
        """The module of one version."""
        types = self.types if not new or self.types_new is None else self.types_new
        return _module(types, self.new if new else self.old)

    def committed(self) -> str:
        """The module as it was when it was last committed."""
        return _module(self.types, self.between or self.old)

    def server(self, *, new: bool) -> str:
        """The implementation of one version."""
        return _flat(self.serve_new if new and self.serve_new else self.serve)

    def client(self, *, new: bool) -> str:
        """The expression of one version."""
        return self.call_new if new and self.call_new else self.call


def _module(types: str, body: str) -> str:
    chain = f"@mpipc.interface(root=True)\nclass Chain(ABC):\n{_indented(body)}"
    return f"{_abstract(_flat(types))}\n{_abstract(chain)}"


def _flat(text: str) -> str:
    return textwrap.dedent(text).strip("\n") + "\n"


def _indented(text: str) -> str:
    return textwrap.indent(_flat(text), "    ")


def _abstract(text: str) -> str:
    return re.sub(r"^( +)def ", r"\1@abstractmethod\n\1def ", text, flags=re.MULTILINE)
