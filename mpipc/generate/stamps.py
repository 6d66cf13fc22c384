"""What a generated module was made from, which tells whether it is up to date.

MODEL     a digest of what its interface module declares
SOURCES   digests of the source files that say so: the interface module's, and those of the modules
          in its top-level package that it imports names from, directly or not
IMPORTS   the MODEL of each interface module whose types its own are made of
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mpipc.generate.names import GENERATION


class Stamp(NamedTuple):
    """The three of them."""

    model: str
    sources: Mapping[str, str]
    imports: Mapping[str, str]

    def lines(self) -> Iterator[str]:
        """The stamp as source code."""
        yield f'MODEL = "{self.model}"'
        for name, digests in (("SOURCES", self.sources), ("IMPORTS", self.imports)):
            if digests:
                yield f"{name}: dict[str, str] = {{"
                yield from (f'    "{each}": "{digests[each]}",' for each in sorted(digests))
                yield "}"
            else:
                yield f"{name}: dict[str, str] = {{}}"


def stamp_in(text: str) -> Stamp | None:
    """The stamp in the source of a generated module, None where there is none."""
    model = re.search(r'^MODEL = "(\w+)"$', text, re.MULTILINE)
    blocks = [_block(name).search(text) for name in ("SOURCES", "IMPORTS")]
    if model is None or None in blocks:
        return None
    sources, imports = (dict(_PAIR.findall(block[1])) for block in blocks if block)
    return Stamp(model[1], sources, imports)


def without_sources(text: str) -> str:
    """The source of a generated module but for what a comment in a declaration changes."""
    return _block("SOURCES").sub("", text)


_PAIR = re.compile(r'"([\w.]+)": "(\w+)"')


def _block(name: str) -> re.Pattern[str]:
    return re.compile(rf"^{name}: dict\[str, str\] = \{{([^}}]*)\}}$", re.MULTILINE)


def digest(text: bytes) -> str:
    """Short, and another one for each generation of generated code."""
    return hashlib.sha256(GENERATION + text).hexdigest()[:32]


def source_digest(module: str) -> str:
    """A digest of the source file of an imported module; "" where there is none."""
    path = getattr(sys.modules.get(module), "__file__", None)
    try:
        return digest(Path(path).read_bytes()) if path else ""
    except OSError:
        return ""


def unchanged(stamp: Stamp) -> bool:
    """Whether the source files are still the same, so that the model is, too."""
    return bool(stamp.sources) and all(
        source_digest(module) == expected for module, expected in stamp.sources.items()
    )


def sources_of(module: str, others: Collection[str]) -> dict[str, str]:
    """The digests for SOURCES. `others` are interface modules, which have stamps of their own.
    Empty where a module has no file: then nobody can tell whether it has changed."""
    found: dict[str, str] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found[name] = source_digest(name)
        queue += [each for each in _imported_by(name) if each not in others]
    return found if all(found.values()) else {}


def _imported_by(name: str) -> Iterator[str]:
    """The imported modules of the same top-level package that a module's source imports."""
    import ast  # here: nobody needs it to see whether files have changed

    path = getattr(sys.modules[name], "__file__", None) or ""
    if not path.endswith(".py"):
        return
    package = sys.modules[name].__package__ or ""
    for node in ast.walk(ast.parse(Path(path).read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        top = name.partition(".")[0]
        for each in names:
            if each in sys.modules and each.partition(".")[0] == top:
                yield each
