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

_lock = RLock()
_found: dict[type, Generated] = {}


def generated_for(cls: type) -> Generated:
    """The client and server of an interface class. Raises SchemaError."""
    found = _found.get(cls)
    if found is None:
        with _lock:
            found = _found[cls] = _find(cls)
    return found


def _find(cls: type) -> Generated:
    name = cls.__module__
    module = _imported(name, set()) or _in_memory(name)
    try:
        found: Generated = module.INTERFACES[cls.__qualname__]
    except KeyError:
        raise SchemaError(f"{name}.{cls.__qualname__} is no interface: decorate it with"
                          " @mpipc.interface") from None  # fmt: skip
    return found


def _imported(name: str, seen: set[str]) -> Any | None:
    """The generated module from its file, if it and all that it imports are up to date."""
    target = generated_module(name, in_memory=False)
    if name == "__main__" or not _exists(target):
        return None
    module = importlib.import_module(target)
    seen.add(name)
    if not _fresh(module, name):
        return None
    for other in module.IMPORTS:
        if other not in seen and _imported(other, seen) is None:
            return None
    return module


def _exists(target: str) -> bool:
    try:
        return importlib.util.find_spec(target) is not None
    except (ImportError, ValueError):
        return False


def _fresh(module: Any, name: str) -> bool:
    from mpipc.generate.module import model_digest, source_digest

    if module.SOURCE and source_digest(name) == module.SOURCE:
        return True
    # Perhaps only a comment has changed: what counts is the model.
    from mpipc.derive import derive
    from mpipc.schema import committed_lock

    return bool(model_digest(derive([name], committed_lock).modules[name]) == module.MODEL)


def _in_memory(name: str) -> Any:
    """Generate the modules that `name` needs and run them. Raises SchemaError."""
    from mpipc.derive import derive
    from mpipc.generate.module import module_source
    from mpipc.schema import committed_lock, compile_layouts

    model = derive([name], committed_lock)
    layouts = compile_layouts(model)
    sys.modules.setdefault(IN_MEMORY, types.ModuleType(IN_MEMORY))
    for each in _dependencies_first(name, {n: m.imports for n, m in model.modules.items()}, {}):
        target = generated_module(each, in_memory=True)
        source = module_source(model, layouts, each, in_memory=True)
        _run(target, source)
    return sys.modules[generated_module(name, in_memory=True)]


def _run(target: str, source: str) -> None:
    filename = f"<{target}>"
    module = types.ModuleType(target)
    module.__file__ = filename
    sys.modules[target] = module
    setattr(sys.modules[IN_MEMORY], target.rpartition(".")[2], module)
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
