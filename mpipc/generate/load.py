"""Finding the generated code of an interface: imported when it is there and up to date, else made
in memory by the same generator at first use."""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import sys
import types
from threading import RLock
from typing import Any

from mpipc.capnp.proxy import Generated
from mpipc.errors import SchemaError
from mpipc.generate.names import IN_MEMORY, generated_module
from mpipc.generate.stamps import Stamp, stamp_in, unchanged

_lock = RLock()
_found: dict[type, Generated] = {}


def generated_for(cls: type) -> Generated:
    """The client and server of an interface class. Raises SchemaError."""
    found = _found.get(cls)
    if found is None:
        with _lock:
            found = _found[cls] = _find(cls)
    return found


def known_modules() -> list[str]:
    """The modules with the interface classes that `generated_for` was asked for."""
    return [cls.__module__ for cls in tuple(_found)]


def _find(cls: type) -> Generated:
    name = cls.__module__
    module = _imported(name) or _made(name, cls) or _in_memory(name)
    try:
        found: Generated = module.INTERFACES[cls.__qualname__]
    except KeyError:
        raise SchemaError(f"{name}.{cls.__qualname__} is no interface: decorate it with"
                          " @mpipc.interface") from None  # fmt: skip
    return found


def _imported(name: str) -> Any | None:
    """The generated module from its file, if it is up to date."""
    if name == "__main__" or not _Check().is_current(name):
        return None
    return importlib.import_module(generated_module(name, in_memory=False))


class _Check:
    """Looks whether generated files are up to date. What they were made from is read in their
    source: running code that is out of date could fail."""

    def __init__(self) -> None:
        self._stamps: dict[str, Stamp] = {}
        self._digests: dict[str, str] = {}

    def is_current(self, name: str) -> bool:
        """Whether the file of an interface module, and each that it imports, fits what is
        declared."""
        stamp = _stamp(generated_module(name, in_memory=False))
        if stamp is None or not (unchanged(stamp) or self._digest(name) == stamp.model):
            return False
        self._stamps[name] = stamp
        return all(
            (other in self._stamps or self.is_current(other))
            and self._stamps[other].model == digest
            for other, digest in stamp.imports.items()
        )

    def _digest(self, name: str) -> str:
        """Perhaps only a comment has changed: what counts is the model, of the whole package as
        `mpipc build` derives it, since what others use belongs to the model of a module."""
        if name not in self._digests:
            from mpipc.derive import derive
            from mpipc.derive.packages import interface_modules
            from mpipc.generate.module import model_digest
            from mpipc.schema import committed_lock

            _, names = interface_modules(name.rpartition(".")[0])
            for each, module in derive(names, committed_lock).modules.items():
                self._digests[each] = model_digest(module)
        return self._digests[name]


def _stamp(target: str) -> Stamp | None:
    try:
        spec = importlib.util.find_spec(target)
    except (ImportError, ValueError):
        return None
    get_source = getattr(spec.loader, "get_source", None) if spec else None
    return stamp_in(get_source(target) or "") if get_source else None


def _made(name: str, cls: type) -> Any | None:
    """The module that was generated in memory before, for another class of the same module."""
    module = sys.modules.get(generated_module(name, in_memory=True))
    found = module.INTERFACES.get(cls.__qualname__) if module else None
    # In a REPL, a class may be another one by now.
    return module if found and found.server.interface is cls else None


def _in_memory(name: str) -> Any:
    """Generate the modules that `name` needs and run them. Raises SchemaError."""
    from mpipc.derive import derive
    from mpipc.generate.module import module_source
    from mpipc.schema import committed_lock, compile_layouts

    model = derive([name], committed_lock)
    layouts = compile_layouts(model)
    sys.modules.setdefault(IN_MEMORY, types.ModuleType(IN_MEMORY))
    names = _dependencies_first(name, {n: m.imports for n, m in model.modules.items()}, {})
    # All of them first: modules may use each other's interfaces.
    modules = [_empty(generated_module(each, in_memory=True)) for each in names]
    for each, module in zip(names, modules, strict=True):
        _run(module, module_source(model, layouts, each, in_memory=True))
    return sys.modules[generated_module(name, in_memory=True)]


def _empty(target: str) -> types.ModuleType:
    module = sys.modules[target] = types.ModuleType(target)
    setattr(sys.modules[IN_MEMORY], target.rpartition(".")[2], module)
    return module


def _run(module: types.ModuleType, source: str) -> None:
    filename = module.__file__ = f"<{module.__name__}>"
    # Tracebacks show the lines of generated code, too.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), module.__dict__)


def _dependencies_first(
    name: str, imports: dict[str, tuple[str, ...]], done: dict[str, None]
) -> list[str]:
    if name not in done:
        done[name] = None
        for other in imports[name]:
            _dependencies_first(other, imports, done)
        done.pop(name)
        done[name] = None
    return list(done)
