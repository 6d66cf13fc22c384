"""What `rpc.discover` answers: an OpenRPC document, derived from the model."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from mpipc.derive.defaults import field_default
from mpipc.derive.names import integer_range
from mpipc.jsonrpc.values import NATIVE
from mpipc.model import (
    CheckedType,
    DataType,
    EnumType,
    Field,
    HookedType,
    ListType,
    LiteralType,
    MapType,
    Model,
    OptionalType,
    Primitive,
    StructType,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    python_object,
)

if TYPE_CHECKING:
    from mpipc.jsonrpc.procedures import Procedure

Json = dict[str, Any]
_CONSTRAINTS = {
    "ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf", "min_length": "minLength", "max_length": "maxLength",
    "pattern": "pattern",
}  # fmt: skip


def document(procedures: Iterable[Procedure]) -> Json:
    """An OpenRPC document for methods."""
    components: Json = {}
    methods = [_method(each, components) for each in procedures]
    return {
        "openrpc": "1.3.2",
        "info": {"title": "mpipc", "version": "1"},
        "methods": sorted(methods, key=lambda method: str(method["name"])),
        "components": {"schemas": {name: components[name] for name in sorted(components)}},
    }


def _method(procedure: Procedure, components: Json) -> Json:
    method, model = procedure.method, procedure.model
    schemas = Schemas(model, components)
    params: list[Json] = []
    if procedure.chosen_by is not None:
        schema: Json = {"type": "string"}
        params.append({"name": procedure.chosen_by, "required": True, "schema": schema})
    for field in method.parameters:
        required = not field.optional and field.name not in procedure.defaults
        schema = schemas.field(field)
        params.append({"name": field.slot.name, "required": required, "schema": schema})
    found: Json = {"name": procedure.name, "paramStructure": "either", "params": params}
    if method.doc:
        found["summary"] = method.doc.partition("\n")[0]
        found["description"] = method.doc
    if method.deprecated:
        found["deprecated"] = True
    found["result"] = {"name": "result", "schema": _result(procedure, schemas)}
    return found


def _result(procedure: Procedure, schemas: Schemas) -> Json:
    method = procedure.method
    if method.returns == "none":
        return {"type": "null"}
    if method.returns == "value":
        return schemas.field(method.result_fields[0])
    fields = method.result_fields
    return {
        "type": "object",
        "properties": {field.slot.name: schemas.field(field) for field in fields},
        "required": [field.slot.name for field in fields],
    }


class Schemas:
    """JSON Schema of types; structs become components."""

    def __init__(self, model: Model, components: Json) -> None:
        self._model = model
        self._components = components

    def field(self, field: Field) -> Json:
        """Of a parameter, a result or a struct field."""
        found = self.of(field.type)
        return {"anyOf": [found, {"type": "null"}]} if field.optional else found

    def of(self, type: Type) -> Json:
        match type:
            case Primitive("Bool"):
                return {"type": "boolean"}
            case Primitive("Float32" | "Float64"):
                return {"type": "number"}
            case Primitive(name):
                low, high = integer_range(name)
                return {"type": "integer", "minimum": low, "maximum": high}
            case TextType():
                return {"type": "string"}
            case DataType():
                return {"type": "string", "contentEncoding": "base16"}
            case TimedeltaType():
                return {"type": "number", "description": "seconds"}
            case EnumType(key, flags=flags):
                enumerated = python_object(key).__members__
                if flags:
                    names = ", ".join(f"{name}: {int(each)}" for name, each in enumerated.items())
                    return {"type": "integer", "description": names}
                return {"type": "string", "enum": [*enumerated]}
            case ListType(element, container):
                items: Json = {"type": "array", "items": self.of(element)}
                return items | ({"uniqueItems": True} if "set" in container else {})
            case TupleType(members):
                forms = [self.of(each) for each in members]
                return {"type": "array", "prefixItems": forms, "items": False}
            case OptionalType(some):
                return {"anyOf": [self.of(some), {"type": "null"}]}
            case MapType(_, value):
                return {"type": "object", "additionalProperties": self.of(value)}
            case StructType(key):
                return self._struct(type)
            case HookedType(key, wire=wire):
                cls = python_object(key)
                if cls in NATIVE:
                    return msgspec.json.schema(cls)
                return self.of(TimedeltaType() if key.name == "timedelta" else wire)
            case LiteralType(values=values):
                return {"enum": [*values]}
            case CheckedType(wire, constraints):
                said = {_CONSTRAINTS[n]: getattr(constraints, n) for n, _ in constraints.given()}
                return self.of(wire) | said
        return {"type": "null"}

    def _struct(self, type: StructType) -> Json:
        name, struct = type.key.name, self._model.struct(type.key)
        if name not in self._components:
            self._components[name] = {}  # it may contain itself
            found: Json = {"type": "object", "additionalProperties": False}
            if struct.doc:
                found["description"] = struct.doc
            found["properties"] = {each.slot.name: self.field(each) for each in struct.fields}
            found["required"] = [
                each.slot.name
                for each in struct.fields
                if not each.optional and field_default(struct, each) is inspect.Parameter.empty
            ]
            self._components[name] = found
        return {"$ref": f"#/components/schemas/{name}"}
