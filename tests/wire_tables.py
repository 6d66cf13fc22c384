"""A compiled schema in the notation of the tables of `data/wire/` (WIRE.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import capnp

from mpipc.schema import INCLUDE

Table = dict[str, Any]
_NO_UNION = 0xFFFF
_PRIMITIVES = (
    *("void", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "text", "data"),
)
_TITLES = {name: name.title().replace("Uint", "UInt") for name in _PRIMITIVES}


def read_table(directory: Path, files: dict[str, Path]) -> Table:
    """`files`: the path of each schema by its name in the table; imports start in `directory`."""
    parser = capnp.SchemaParser()
    imports = [str(directory), str(INCLUDE)]
    loaded = {name: parser.load(str(path), imports=imports) for name, path in files.items()}
    proxy = parser.load(str(INCLUDE / "mp/proxy.capnp"), imports=imports)
    annotations = {node.id: node.name for node in proxy.schema.node.nestedNodes}
    names = {
        node.id: f"{file}:{node.name}"
        for file, module in {**loaded, "proxy.capnp": proxy}.items()
        for node in module.schema.node.nestedNodes
    }
    reader = _Reader(names, annotations)
    return {name: reader.file(module) for name, module in loaded.items()}


class _Reader:
    def __init__(self, names: dict[int, str], annotations: dict[int, str]) -> None:
        self._names = names
        self._annotations = annotations
        self._parameters: dict[int, list[str]] = {}

    def file(self, module: Any) -> Table:
        table: Table = {"id": hex(module.schema.node.id), "structs": {}, "interfaces": {}}
        for nested in module.schema.node.nestedNodes:
            if not hasattr(module, nested.name):
                continue  # an annotation
            schema = getattr(module, nested.name).schema
            entry = {"id": hex(schema.node.id), **self._annotated(schema.node.annotations)}
            parameters = [each.name for each in schema.node.parameters]
            if parameters:
                entry["parameters"] = parameters
            self._parameters[schema.node.id] = parameters
            if schema.node.which() == "struct":
                entry["dataWords"] = schema.node.struct.dataWordCount
                entry["pointers"] = schema.node.struct.pointerCount
                entry["fields"] = self._fields(schema)
                table["structs"][nested.name] = entry
            else:
                bases = [self._names[base.id] for base in schema.node.interface.superclasses]
                if bases:
                    entry["extends"] = bases
                entry["methods"] = self._methods(schema)
                table["interfaces"][nested.name] = entry
        return table

    def _methods(self, schema: Any) -> Table:
        methods = {}
        for ordinal, node in enumerate(schema.node.interface.methods):
            method = schema.methods[node.name]
            methods[node.name] = {
                "ordinal": ordinal,
                **self._annotated(node.annotations),
                "params": self._fields(method.param_type),
                "results": self._fields(method.result_type),
            }
        return methods

    def _fields(self, schema: Any) -> list[Table]:
        fields = []
        for node in schema.node.struct.fields:
            entry = {
                "name": node.name,
                "ordinal": node.ordinal.explicit,
                "type": self._type(node.slot.type),
                "offset": node.slot.offset,
                **self._annotated(node.annotations),
            }
            if node.discriminantValue != _NO_UNION:
                entry["discriminant"] = node.discriminantValue
            if node.slot.hadExplicitDefault:
                value = node.slot.defaultValue
                entry["default"] = getattr(value, str(value.which()))
            fields.append(entry)
        return fields

    def _type(self, node: Any) -> str:
        kind = str(node.which())
        if kind == "list":
            return f"List({self._type(node.list.elementType)})"
        if kind in ("struct", "interface"):
            found = getattr(node, kind)
            bound = [
                self._type(binding.type)
                for scope in found.brand.scopes
                if scope.which() == "bind"
                for binding in scope.bind
                if binding.which() == "type"
            ]
            return self._names[found.typeId] + (f"({', '.join(bound)})" if bound else "")
        if kind == "anyPointer" and node.anyPointer.which() == "parameter":
            parameter = node.anyPointer.parameter
            name: str = self._parameters[parameter.scopeId][parameter.parameterIndex]
            return name
        return _TITLES[kind]

    def _annotated(self, nodes: Any) -> Table:
        found = {}
        for node in nodes:
            kind = str(node.value.which())
            value = True if kind == "void" else getattr(node.value, kind)
            found[self._annotations.get(node.id, hex(node.id))] = value
        return {"annotations": found} if found else {}
