"""Schema text -> layout, by the official compiler: pycapnp, which only this layer imports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mpipc.model import Interface, Method, Model, Module, ModuleLayout, Record, RecordLayout, Struct
from mpipc.schema.paths import INCLUDE, schema_path
from mpipc.schema.text import module_text
from mpipc.temporary import Temporary


def compile_layouts(model: Model) -> dict[str, ModuleLayout]:
    """Where the compiler puts every field of every module, by module name.

    pycapnp ends the whole process when a schema does not compile, so everything that could go
    wrong is a SchemaError in `derive` already.
    """
    with Temporary("schema") as directory:
        loaded = _load(model, directory)
        return {name: _module_layout(loaded, module) for name, module in model.modules.items()}


class Schemas:
    """The compiled schemas of a model. With them pycapnp reads and writes messages on its own:
    `new_message`, `from_bytes` and so on, as its documentation says."""

    def __init__(self, model: Model) -> None:
        self._directory = Temporary("schema")
        self._loaded = _load(model, self._directory.path)

    def struct(self, struct: Struct) -> Any:
        """The schema of a struct."""
        return getattr(self._loaded[struct.cls.module], struct.name)

    def params(self, interface: Interface, method: Method) -> Any:
        """The schema of a method's parameters."""
        return _struct_module(self._method(interface, method).param_type, method.name)

    def results(self, interface: Interface, method: Method) -> Any:
        """The schema of a method's results."""
        return _struct_module(self._method(interface, method).result_type, method.name)

    def _method(self, interface: Interface, method: Method) -> Any:
        loaded = getattr(self._loaded[interface.key.module], interface.name)
        return loaded.schema.methods[method.schema_name]


def _load(model: Model, directory: Path) -> dict[str, Any]:
    """The objects that pycapnp makes of the schema files of a model, by module name."""
    import capnp  # here: only a program that compiles pays for it

    parser = capnp.SchemaParser()
    paths = {name: directory / schema_path(name) for name in model.modules}
    for name, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module_text(model, name), encoding="utf-8")
    imports = [str(directory), str(INCLUDE)]
    return {name: parser.load(str(path), imports=imports) for name, path in paths.items()}


def _struct_module(schema: Any, name: str) -> Any:
    import capnp

    return capnp.lib.capnp._StructModule(schema, name)


def _module_layout(files: Mapping[str, Any], module: Module) -> ModuleLayout:
    """`files` are the objects that pycapnp makes of files, by module name."""
    loaded = files[module.name]
    records: dict[str, RecordLayout] = {}
    interfaces: dict[str, int] = {}
    for struct in (*module.structs, *module.instances):
        schema = getattr(files[struct.cls.module], struct.name).schema
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


def _offsets(schema: Any, group: str = "") -> Iterator[tuple[str, int]]:
    """The fields of a struct, those of groups among them."""
    for field in schema.node.struct.fields:
        if field.which() == "group":
            inside = schema.fields[field.name].schema
            yield from _offsets(inside, f"{group}{field.name}.")
        else:
            yield group + field.name, field.slot.offset


def _record_layout(schema: Any, record: Record) -> RecordLayout:
    node = schema.node
    struct = node.struct
    compiled = dict(_offsets(schema))
    offsets = {slot.name: compiled.pop(slot.name) for slot in record.slots}
    assert list(compiled) == [each.name for each in record.reserved], record.path
    sizes = struct.dataWordCount, struct.pointerCount
    tags = {field.name: field.discriminantValue for field in struct.fields}
    if not struct.discriminantCount:
        return RecordLayout(node.id, *sizes, offsets)
    return RecordLayout(node.id, *sizes, offsets, struct.discriminantOffset, tags)
