"""How a mistake in a declaration is reported: what is wrong, and where in the source it stands."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from dataclasses import dataclass

from mpipc.errors import Problem


class Mistake(Exception):
    """A declaration that cannot be derived. Whoever knows the place makes a `Problem` of it."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead


@dataclass(frozen=True)
class Place:
    """A spot in a declaration: a module, a class, a method or field, a parameter."""

    module: str
    cls: str = ""
    member: str = ""
    parameter: str = ""

    def at_member(self, name: str) -> Place:
        return Place(self.module, self.cls, name)

    def at_parameter(self, name: str) -> Place:
        nested = f"{self.parameter}.{name}" if self.parameter else name
        return Place(self.module, self.cls, self.member, nested)

    def __str__(self) -> str:
        dotted = ".".join(filter(None, (self.module, self.cls, self.member)))
        return f"{dotted}({self.parameter})" if self.parameter else dotted

    def problem(self, mistake: Mistake) -> Problem:
        """The mistake with this place, and its file and line where the source is at hand."""
        found = locate(self)
        where = f"{self} at {found}" if found else str(self)
        return Problem(where, mistake.what, mistake.instead)


def syntax_tree(module: str) -> ast.Module | None:
    """The parsed source of an imported module, or None where there is none (a REPL)."""
    try:
        return ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError, SyntaxError):
        return None


def locate(place: Place) -> str | None:
    """`file:line` of a place, the file relative to the working directory when it is below it."""
    tree = syntax_tree(place.module)
    file = getattr(sys.modules.get(place.module), "__file__", None)
    if tree is None or file is None:
        return None
    shown = shown_path(file)
    line = 0
    nodes: list[ast.AST] = [tree]
    parameter, *_ = place.parameter.split(".")
    for name in filter(None, (place.cls, place.member, parameter)):
        nodes = [child for node in nodes for child in _children(node) if _name(child) == name]
        if not nodes:
            break
        line = getattr(nodes[0], "lineno", line)
    return f"{shown}:{line}" if line else shown


def shown_path(file: str) -> str:
    """A file as people are told of it, relative to the working directory when it is below it."""
    relative = os.path.relpath(file)
    return file if relative.startswith(os.pardir) else relative


def _children(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        args = node.args
        extra = [arg for arg in (args.vararg, args.kwarg) if arg is not None]
        return [*args.posonlyargs, *args.args, *args.kwonlyargs, *extra]
    return list(getattr(node, "body", ()))


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""
