"""Methods of objects, as JSON calls them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from mpipc.declare import INTERFACE, options_of
from mpipc.derive import derive_interface
from mpipc.errors import ConversionError, SchemaError, Unimplemented
from mpipc.ipc import coroutines
from mpipc.jsonrpc.errors import (
    APPLICATION_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    RESERVED,
    Refused,
)
from mpipc.jsonrpc.values import Values, without_json
from mpipc.model import Method, Model, TypeName, python_object

Params = list[Any] | dict[str, Any]


class ByName:
    """Many objects of an interface, of which each call names one in a parameter before those of
    the method.

    `find`       gives the object of a name; called anew for every call
    `parameter`  what the parameter is called
    `raises`     the exceptions of `find` that a client is told of, as of a method's `raises`
    """

    def __init__(
        self,
        interface: type,
        find: Callable[[str], object],
        *,
        parameter: str,
        raises: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> None:
        self.interface = interface
        self.parameter = parameter
        self._find = find
        self._raised = raises

    def take(self, params: Params) -> tuple[object, Params]:
        """The object that parameters name, and the other parameters. Raises Refused."""
        if not (params if isinstance(params, list) else self.parameter in params):
            raise Refused(INVALID_PARAMS, f"{self.parameter}: missing")
        name: object
        rest: Params
        if isinstance(params, list):
            name, *rest = params
        else:
            name = params[self.parameter]
            rest = {key: value for key, value in params.items() if key != self.parameter}
        if not isinstance(name, str):
            raise Refused(INVALID_PARAMS, f"{self.parameter}: expected a string")
        try:
            return self._find(name), rest
        except self._raised as error:
            raise application_error(error) from None


class Procedure:
    """A method that can be called with JSON: of an object, or of those of a ByName.

    `name` is its schema name, with a namespace before it where it is in one.
    """

    def __init__(
        self, target: object, method: Method, model: Model, namespace: str | None = None
    ) -> None:
        self.method = method
        self.model = model
        self.name, _ = names_of(method, namespace)
        self.chosen_by = target.parameter if isinstance(target, ByName) else None
        self._values = Values(model)
        self._target = target
        owner = target.interface if isinstance(target, ByName) else target
        found = {} if method.getter else inspect.signature(getattr(owner, method.name)).parameters
        self.defaults = {
            field.name: found[field.name].default
            for field in method.parameters
            if field.name in found and found[field.name].default is not inspect.Parameter.empty
        }
        self._raised = tuple(python_object(each.key) for each in method.raises)
        if self.chosen_by in {n for f in method.parameters for n in (f.name, f.slot.name)}:
            raise SchemaError(f"{self.name!r} has a parameter {self.chosen_by!r} of its own")

    def __call__(self, params: Params) -> Any:
        """Call the method, or read the property; what is async runs in an event loop. Raises
        Refused."""
        target = self._target
        if isinstance(target, ByName):
            target, params = target.take(params)
        arguments = self._arguments(params)
        try:
            result = getattr(target, self.method.name)
            if not self.method.getter:
                result = result(**arguments)
                result = coroutines.run(result) if self.method.is_async else result
            return self._result(result)
        except self._raised as error:
            raise application_error(error) from None
        except ConversionError as error:
            raise Refused(INVALID_PARAMS, str(error)) from None
        except (NotImplementedError, Unimplemented) as error:
            text = str(error) or f"{self.name!r} is not implemented"
            raise Refused(METHOD_NOT_FOUND, text) from None

    def _arguments(self, params: Params) -> dict[str, Any]:
        fields = self.method.parameters
        if isinstance(params, list):
            if len(params) > len(fields):
                raise Refused(
                    INVALID_PARAMS, f"{len(params)} parameters, where there are {len(fields)}"
                )
            given = dict(zip((field.name for field in fields), params, strict=False))
        else:
            names = {field.slot.name: field.name for field in fields}
            given = {names.get(name, name): value for name, value in params.items()}
            unknown = given.keys() - {field.name for field in fields}
            if unknown:
                raise Refused(INVALID_PARAMS, f"there is no parameter {min(unknown)!r}")
        arguments: dict[str, Any] = {}
        for field in fields:
            if field.name in given:
                found = self._values.read_field(field, given[field.name], field.slot.name)
                arguments |= {part.name: value for part, value in field.apart(found)}
            elif field.name not in self.defaults:
                if not field.optional:
                    raise Refused(INVALID_PARAMS, f"{field.slot.name}: missing")
                arguments[field.name] = None
        return arguments

    def _result(self, result: Any) -> Any:
        fields = self.method.result_fields
        if self.method.returns == "none":
            return None
        if self.method.returns == "value":
            return self._values.write_field(fields[0], result)
        return {
            field.slot.name: self._values.write_field(field, getattr(result, field.name))
            for field in fields
        }


def names_of(method: Method, namespace: str | None) -> tuple[str, str]:
    """What a method is called: its schema name and its Python name, in a namespace."""
    before = f"{namespace}." if namespace else ""
    return before + method.schema_name, before + method.name


def methods_of(target: object) -> tuple[Model, Sequence[Method]]:
    """All the methods of an object, or of those of a ByName, and the model they are in. Raises
    SchemaError."""
    found: Any = target.interface if isinstance(target, ByName) else type(target)
    if not isinstance(found, type):
        raise SchemaError(f"{found!r} is no interface")
    cls = next((each for each in found.__mro__ if options_of(each, INTERFACE)), None)
    if cls is None:
        raise SchemaError(f"{found.__name__} is derived from no interface")
    model = derive_interface(cls)
    interface = model.interface(TypeName(cls.__module__, cls.__qualname__))
    methods = [method for each in model.ancestry(interface) for method in each.methods]
    return model, [method for method in methods if method.kind == "method"]


def obstacle(method: Method, model: Model) -> str | None:
    """Why JSON cannot call a method: what has no form there, and where it is; None where it can."""
    for kind, fields in (("parameter", method.parameters), ("result", method.result_fields)):
        for field in fields:
            found = without_json(field.type, model)
            if found is not None:
                return f"its {kind} {field.slot.name!r} is or holds {found}, which JSON has not"
    return None


def application_error(error: Exception) -> Refused:
    """The code that the exception has, where it has one of its own."""
    code = getattr(error, "code", None)
    if not isinstance(code, int) or isinstance(code, bool) or code in RESERVED:
        code = APPLICATION_ERROR
    return Refused(code, str(error), {"exception": type(error).__name__})
