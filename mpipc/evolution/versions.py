"""The two versions that are compared: a package as it was built or is declared, a schema file, or
either of them in a git revision.

A package is compared as it was built, for that is what other programs have; one that never was, as
it is declared now.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import msgspec

from mpipc.derive import derive
from mpipc.derive.packages import GENERATED, interface_modules
from mpipc.errors import IpcError, SchemaError
from mpipc.evolution.places import Index, python_index, schema_index, shown
from mpipc.model import Model
from mpipc.schema import committed_lock, module_text, schema_path
from mpipc.schema.compiled import Sources


class Unknown(IpcError):
    """There is nothing of the name that was given."""


class Version(msgspec.Struct, frozen=True):
    """Schema files to compile, and where what they declare stands, by their paths."""

    label: str
    sources: Sources
    places: Mapping[str, Index]


def find_version(name: str, scratch: Path) -> Version:
    """What somebody means by FILE.capnp, a directory, a dotted name, one of these in a git revision
    (`REV:NAME`), or a revision (`REV`), of which it is all that was built. `scratch` is a directory
    that does not exist yet.

    Raises Unknown, SchemaError.
    """
    path = Path(name)
    if path.exists():
        return _at_path(name, path, scratch)
    revision, colon, inside = name.rpartition(":")
    if not colon:
        directory = _package_directory(name)
        if directory is not None:
            return _at_path(name, directory, scratch)
        if not _is_revision(name):
            raise Unknown(f"{name}: no schema file, directory, package or revision of this name")
        root = _checked_out(name, scratch / "tree")
        schemas = _below(root)
        if not schemas:
            raise Unknown(f"{name}: nothing in this revision was built: {name}:PACKAGE")
        return built(name, schemas, root)
    found = in_revision(revision, inside, scratch)
    if found is None:
        raise Unknown(f"{name}: there is no such schema file, directory or package in it")
    return found


def in_revision(revision: str, name: str, scratch: Path) -> Version | None:
    """What had a name in a git revision, None when there was nothing. Raises Unknown for a
    revision that is not there, SchemaError."""
    root = _checked_out(revision, scratch / "tree")
    path = _path_in(root, name)
    return None if path is None else _at_path(f"{revision}:{name}", path, scratch, root)


def built(label: str, paths: Iterable[Path], root: Path | None = None) -> Version:
    """Schema files as they are. `root`: what their names in reports are relative to, by default
    the working directory. Raises SchemaError."""
    resolved = [path.resolve() for path in sorted(paths)]
    names = {
        str(path): str(path.relative_to(root.resolve())) if root else shown(path)
        for path in resolved
    }
    # Schemas import each other by their packages, as modules do.
    roots = dict.fromkeys(str(_top(path.parent)) for path in resolved)
    imports = (*roots, *filter(None, sys.path))
    places = {path: schema_index(Path(path), name) for path, name in names.items()}
    return Version(label, Sources(tuple(names), imports), places)


def declared(label: str, model: Model, modules: Iterable[str], scratch: Path) -> Version:
    """Interface modules as they are declared, their schemas written below `scratch`."""
    paths = write_schemas(model, scratch)
    wanted = [name for name in modules if model.modules[name].structs or
              model.modules[name].interfaces]  # fmt: skip
    places = {paths[name]: python_index(model, model.modules[name]) for name in wanted}
    return Version(label, Sources(tuple(places), (str(scratch),)), places)


def write_schemas(model: Model, directory: Path) -> dict[str, str]:
    """The schema files of a model, by module."""
    paths = {name: directory / schema_path(name) for name in model.modules}
    for name, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module_text(model, name), encoding="utf-8")
    return {name: str(path) for name, path in paths.items()}


def _top(directory: Path) -> Path:
    """The directory that the package around a directory is imported from."""
    while (directory / "__init__.py").exists():
        directory = directory.parent
    return directory


def _at_path(label: str, path: Path, scratch: Path, root: Path | None = None) -> Version:
    if path.is_file():
        return built(label, [path], root)
    generated = [*path.glob(f"{GENERATED}/*.capnp")] or [*path.glob("*.capnp")]
    if not generated and not (path / "__init__.py").exists():
        generated = _below(path)
    if generated:
        return built(label, generated, root)
    return _declared_elsewhere(label, path.resolve(), scratch, root)


def _below(directory: Path) -> list[Path]:
    """The schemas of all packages in a directory that were built, without installed ones."""
    found: list[Path] = []
    for inside, directories, _ in os.walk(directory):
        directories[:] = [n for n in directories if n[0] != "." and n != "site-packages"]
        found += Path(inside).glob(f"{GENERATED}/*.capnp")
    return found


def _package_directory(name: str) -> Path | None:
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))


# --------------------------------------------------------------------------- declared, never built


def _declared_elsewhere(label: str, path: Path, scratch: Path, root: Path | None) -> Version:
    """Derive a package in a process of its own: this one may have another version of it."""
    top = _top(path.parent)
    package = ".".join(path.relative_to(top).parts)
    program = f"from {__name__} import _declare; _declare()"
    command = [sys.executable, "-c", program, str(top), package, str(scratch / "schemas")]
    run = subprocess.run(command, capture_output=True, cwd=root)
    if run.returncode:
        complaint = run.stderr.decode(errors="replace").strip()
        raise SchemaError(f"{label}: {complaint}")
    version = msgspec.json.decode(run.stdout, type=Version)
    return msgspec.structs.replace(version, label=label)


def _declare() -> None:
    """What the other process does."""
    root, package, directory = sys.argv[1:]
    sys.path.insert(0, root)
    try:
        _, modules = interface_modules(package)
        version = declared(package, derive(modules, committed_lock), modules, Path(directory))
    except SchemaError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(msgspec.json.encode(version))


# ------------------------------------------------------------------------------------ revisions


def _git(*arguments: str, cwd: Path | None = None, stdin: bytes = b"", index: str = "") -> str:
    environment = {**os.environ, "GIT_INDEX_FILE": index} if index else None
    command = ["git", *arguments]
    try:
        run = subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=environment)
    except FileNotFoundError:
        raise Unknown("git is not installed: revisions cannot be compared") from None
    if run.returncode:
        raise Unknown(f"git {arguments[0]}: {run.stderr.decode(errors='replace').strip()}")
    return os.fsdecode(run.stdout)


def _is_revision(name: str) -> bool:
    try:
        _git("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    except Unknown:
        return False
    return True


def _checked_out(revision: str, directory: Path) -> Path:
    """The modules and schemas in a revision of the repository around the working directory,
    written to `directory`."""
    try:
        name = f"{revision}^{{commit}}"
        commit = _git("rev-parse", "--verify", "--end-of-options", name).strip()
    except Unknown as error:
        raise Unknown(f"{revision}: no revision that git knows: {error}") from None
    top = Path(_git("rev-parse", "--show-toplevel").rstrip("\n"))
    directory.mkdir(parents=True)
    index = str(directory / ".index")
    names = _git("ls-tree", "-r", "-z", "--name-only", commit, cwd=top).split("\0")
    wanted = "\0".join(name for name in names if name.endswith((".py", ".capnp")))
    _git("read-tree", commit, cwd=top, index=index)
    _git(
        *("checkout-index", "-z", "--stdin", f"--prefix={directory}/"),
        cwd=top,
        stdin=os.fsencode(wanted),
        index=index,
    )
    return directory


def _path_in(root: Path, name: str) -> Path | None:
    """A file, a directory or a package in the files of a revision: as a path from the working
    directory or from the top, or wherever a package of the name is."""
    prefix = _git("rev-parse", "--show-prefix").strip()
    candidates = [root / prefix / name, root / name]
    if all(part.isidentifier() for part in name.split(".")):
        dotted = name.replace(".", "/")
        candidates += [root / prefix / dotted, root / dotted]
        candidates += [each.parent for each in root.rglob(f"{dotted}/__init__.py")]
    return next((each for each in candidates if each.exists()), None)
