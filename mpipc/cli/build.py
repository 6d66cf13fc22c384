"""`mpipc build PACKAGE`: interface modules -> `PACKAGE/generated/`."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpipc.derive import derive
from mpipc.derive.packages import GENERATED, interface_modules
from mpipc.errors import Problem, SchemaError
from mpipc.model import Model, Module
from mpipc.schema import HEADER, committed_lock, compile_layouts, module_text

_MARK = HEADER.partition(" from ")[0]
"""How every generated file begins; a file that does not is left alone."""

_INIT = f"{_MARK}.\n"


def build(package: str, *, check: bool = False) -> int:
    """Write the schema and the client and server classes of every interface module of a package.

    `check` writes nothing, and prints how the files differ from what would be written. Returns
    the exit status: 1 when they differ. Raises SchemaError for declarations that have none.
    """
    started = time.perf_counter()
    plan = make_plan(package)
    if check:
        for path in plan.outdated:
            _print_difference(path, plan.wanted.get(path.name, ""))
    else:
        plan.target.mkdir(exist_ok=True)
        for name in plan.changed:
            _write(plan.target / name, plan.wanted[name])
        for path in plan.stale:
            path.unlink()
    stale = len(plan.stale)
    changed = len(plan.outdated) - stale if check else len(plan.changed)
    summary = _Summary(plan.modules, len(plan.wanted), changed, stale, check)
    print(f"{package}: {summary} ({time.perf_counter() - started:.2f} s)")
    return 1 if check and plan.outdated else 0


@dataclass(frozen=True)
class Plan:
    """What a package declares, and what that makes of the files in its `generated/`: those that
    are `wanted`, by name, those of them that are `changed`, and `stale` ones that nobody wants.
    `outdated` are those that must not stay as they are: not if just a comment has changed."""

    model: Model
    modules: list[Module]
    target: Path
    wanted: Mapping[str, str]
    changed: list[str]
    stale: list[Path]

    @property
    def outdated(self) -> list[Path]:
        paths = [self.target / name for name in self.changed]
        return [path for path in paths if self._differs(path)] + self.stale

    def _differs(self, path: Path) -> bool:
        from mpipc.generate.stamps import without_sources

        return without_sources(_read(path) or "") != without_sources(self.wanted[path.name])


def make_plan(package: str) -> Plan:
    """What `build` would do. Raises SchemaError for declarations that have no schema."""
    directory, names = interface_modules(package)
    model = derive(names, committed_lock)
    modules = [model.modules[name] for name in names]
    modules = [module for module in modules if module.structs or module.interfaces]
    if not modules:
        raise SchemaError(
            [Problem(package, "no interface in it", "a package with a decorated ABC in a module")]
        )
    target = directory / GENERATED
    wanted = generated_files(model, modules)
    stale = [path for path in _generated(target) if path.name not in wanted]
    changed = [name for name, text in wanted.items() if _read(target / name) != text]
    return Plan(model, modules, target, wanted, changed, stale)


@dataclass(frozen=True)
class _Summary:
    modules: list[Module]
    files: int
    changed: int
    stale: int
    check: bool

    def __str__(self) -> str:
        interfaces = [each for module in self.modules for each in module.interfaces]
        structs = [each for module in self.modules for each in module.structs]
        methods = sum(len(each.methods) for each in interfaces)
        counted = ", ".join(
            _count(number, word)
            for number, word in (
                (len(interfaces), "interface"),
                (methods, "method"),
                (len(structs), "struct"),
            )
        )
        if self.check and (self.changed or self.stale):
            files = f"{_count(self.changed + self.stale, 'file')} out of date: run mpipc build"
        else:
            files = f"{_count(self.changed, 'file')} written, {self.files - self.changed} unchanged"
            if self.stale:
                files += f", {self.stale} removed"
        return f"{counted}; {files}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def generated_files(model: Model, modules: list[Module]) -> Mapping[str, str]:
    """What belongs into `generated/`, by file name."""
    from mpipc.generate.module import module_source  # here: `--help` and errors need none of it

    layouts = compile_layouts(model)
    files = {"__init__.py": _INIT}
    for module in modules:
        files[f"{module.stem}.capnp"] = module_text(model, module.name)
        files[f"{module.stem}.py"] = module_source(model, layouts, module.name)
    return files


def _generated(directory: Path) -> Iterator[Path]:
    """The files in a directory that mpipc wrote."""
    for path in sorted(directory.glob("*")):
        if path.suffix in (".py", ".capnp") and (_read(path) or "").startswith(_MARK):
            yield path


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, so that nobody ever reads half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _print_difference(path: Path, text: str) -> None:
    shown = os.path.relpath(path)
    old = (_read(path) or "").splitlines(keepends=True)
    new = text.splitlines(keepends=True)
    sys.stdout.writelines(difflib.unified_diff(old, new, shown, f"{shown} (declared)"))
