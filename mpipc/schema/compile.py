"""Schema text -> layout, by the official compiler. The only module that imports pycapnp."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from mpipc.model import Method, Model, Module, ModuleLayout, Record, RecordLayout
from mpipc.schema.paths import INCLUDE, schema_path
from mpipc.schema.text import module_text


def compile_layouts(model: Model) -> dict[str, ModuleLayout]:
    """Where the compiler puts every field of every module, by module name.

    pycapnp ends the whole process when a schema does not compile, so everything that could go
    wrong is a SchemaError in `derive` already.
    """
    import capnp  # here: only a program that compiles pays for it

    parser = capnp.SchemaParser()
    with tempfile.TemporaryDirectory(prefix="mpipc-") as directory:
        paths = {name: Path(directory, schema_path(name)) for name in model.modules}
        for name, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(module_text(model, name), encoding="utf-8")
        imports = [directory, str(INCLUDE)]
        return {
            name: _module_layout(parser.load(str(path), imports=imports), model.modules[name])
            for name, path in paths.items()
        }


def _module_layout(loaded: Any, module: Module) -> ModuleLayout:
    """`loaded` is the module object that pycapnp makes of a file."""
    records: dict[str, RecordLayout] = {}
    interfaces: dict[str, int] = {}
    for struct in module.structs:
        schema = getattr(loaded, struct.name).schema
        records[struct.record.path] = _record_layout(schema, struct.record)
    for interface in module.interfaces:
        schema = getattr(loaded, interface.name).schema
        interfaces[interface.name] = schema.node.id
        methods = schema.methods
        for method in interface.methods:
            compiled = methods[method.schema_name]
            for record, side in _records(method, compiled):
                records[record.path] = _record_layout(side, record)
    return ModuleLayout(records, interfaces)


def _records(method: Method, compiled: Any) -> tuple[tuple[Record, Any], tuple[Record, Any]]:
    return (method.params, compiled.param_type), (method.results, compiled.result_type)


def _record_layout(schema: Any, record: Record) -> RecordLayout:
    node = schema.node
    struct = node.struct
    compiled = {field.name: field.slot.offset for field in struct.fields}
    offsets = {slot.name: compiled.pop(slot.name) for slot in record.slots}
    assert list(compiled) == [each.name for each in record.reserved], record.path
    return RecordLayout(node.id, struct.dataWordCount, struct.pointerCount, offsets)
