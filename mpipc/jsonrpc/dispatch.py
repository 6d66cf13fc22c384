"""Requests -> calls -> answers, without any I/O."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from mpipc.declare import INTERFACE, options_of
from mpipc.derive import derive_interface
from mpipc.errors import ConversionError, SchemaError
from mpipc.ipc import coroutines
from mpipc.jsonrpc.errors import (
    APPLICATION_ERROR,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RESERVED,
    Refused,
)
from mpipc.jsonrpc.openrpc import document
from mpipc.jsonrpc.values import Values, can_be_json, python_object
from mpipc.model import Method, Model, TypeName

_log = logging.getLogger("mpipc.jsonrpc")
DISCOVER = "rpc.discover"


class Limits(msgspec.Struct, frozen=True):
    """What a client may ask for.

    `body`         bytes of a request
    `batch`        requests in a batch
    `depth`        arrays and objects within each other
    `connections`  at the same time
    `seconds`      until a request has arrived, from when the connection is ready for it
    """

    body: int = 1 << 20
    batch: int = 1000
    depth: int = 64
    connections: int = 100
    seconds: float = 30.0


class Procedure:
    """A method of an object that can be called with JSON."""

    def __init__(self, target: object, method: Method, model: Model) -> None:
        self.method = method
        self.model = model
        self._values = Values(model)
        self._target = target
        found = {} if method.getter else inspect.signature(self._function).parameters
        self.defaults = {
            field.name: found[field.name].default
            for field in method.parameters
            if field.name in found and found[field.name].default is not inspect.Parameter.empty
        }
        self._raised = tuple(python_object(each.key) for each in method.raises)

    @property
    def _function(self) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self._target, self.method.name)
        return function

    def __call__(self, params: list[Any] | dict[str, Any]) -> Any:
        """Call the method, or read the property; what is async runs in an event loop. Raises
        Refused."""
        arguments = self._arguments(params)
        try:
            if self.method.getter:
                return self._result(getattr(self._target, self.method.name))
            result = self._function(**arguments)
            return self._result(coroutines.run(result) if self.method.is_async else result)
        except self._raised as error:
            raise _application_error(error) from None
        except ConversionError as error:
            raise Refused(INVALID_PARAMS, str(error)) from None

    def _arguments(self, params: list[Any] | dict[str, Any]) -> dict[str, Any]:
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


def _application_error(error: Exception) -> Refused:
    """The code that the exception has, where it has one of its own."""
    code = getattr(error, "code", None)
    if not isinstance(code, int) or isinstance(code, bool) or code in RESERVED:
        code = APPLICATION_ERROR
    return Refused(code, str(error), {"exception": type(error).__name__})


class Dispatcher:
    """The methods of some objects, each an object of an interface.

    Offered are the methods whose parameters and results are values, by their schema names and by
    their Python names. Raises SchemaError for what is no object of an interface, and where two
    methods have the same name.
    """

    def __init__(self, *objects: object, limits: Limits = Limits()) -> None:  # noqa: B008
        self.limits = limits
        self._procedures: dict[str, Procedure] = {}
        offered = []
        self._others: dict[str, str] = {}
        for each in objects:
            for method in _methods_of(each)[1]:
                text = f"{method.name!r} takes or gives objects, which JSON has not"
                self._others |= {method.name: text, method.schema_name: text}
            for procedure in procedures_of(each):
                offered.append(procedure)
                for name in {procedure.method.schema_name, procedure.method.name}:
                    if name in self._procedures:
                        raise SchemaError(f"two methods are called {name!r}")
                    self._procedures[name] = procedure
        self._document = document(offered)

    def handle(self, body: bytes) -> bytes | None:
        """The answer to a request or a batch; None where nobody wants one."""
        try:
            request = self._parsed(body)
        except Refused as error:
            return _encoded(_failed(None, error))
        if not isinstance(request, list):
            answer = self._answer(request)
            return None if answer is None else _encoded(answer)
        answers = [answer for each in request if (answer := self._answer(each)) is not None]
        return _encoded(answers) if answers else None

    def _parsed(self, body: bytes) -> Any:
        if len(body) > self.limits.body:
            raise Refused(INVALID_REQUEST, f"more than {self.limits.body} bytes")
        try:
            request = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(PARSE_ERROR, f"no JSON: {error}") from None
        if _depth(request, self.limits.depth) > self.limits.depth:
            raise Refused(INVALID_REQUEST, f"more than {self.limits.depth} levels")
        if isinstance(request, list):
            if not request:
                raise Refused(INVALID_REQUEST, "an empty batch")
            if len(request) > self.limits.batch:
                raise Refused(INVALID_REQUEST, f"more than {self.limits.batch} requests")
        return request

    def _answer(self, request: Any) -> dict[str, Any] | None:
        """The answer to one request, None to a notification."""
        id: Any = None
        wanted = True
        try:
            name, params, id, wanted = _checked(request)
            if name == DISCOVER:
                result = self._document
            elif name in self._procedures:
                result = self._procedures[name](params)
            else:
                raise Refused(METHOD_NOT_FOUND, self._others.get(name, f"no method {name!r}"))
        except Refused as error:
            return _failed(id, error) if wanted else None
        except Exception as error:
            _log.warning("a call failed", exc_info=error)
            refused = Refused(INTERNAL_ERROR, f"internal error: {type(error).__name__}")
            return _failed(id, refused) if wanted else None
        return {"jsonrpc": "2.0", "result": result, "id": id} if wanted else None


def procedures_of(target: object) -> Iterator[Procedure]:
    """The methods of an object that can be called with JSON. Raises SchemaError."""
    model, methods = _methods_of(target)
    for method in methods:
        fields = (*method.parameters, *method.result_fields)
        if all(can_be_json(field.type, model) for field in fields):
            yield Procedure(target, method, model)


def _methods_of(target: object) -> tuple[Model, list[Method]]:
    """All the methods of an object, and the model they are in. Raises SchemaError."""
    cls = next((each for each in type(target).__mro__ if options_of(each, INTERFACE)), None)
    if cls is None:
        raise SchemaError(f"{type(target).__name__} is derived from no interface")
    model = derive_interface(cls)
    interface = model.interface(TypeName(cls.__module__, cls.__qualname__))
    methods = [method for each in model.ancestry(interface) for method in each.methods]
    return model, [method for method in methods if method.kind == "method"]


def _checked(request: Any) -> tuple[str, Any, Any, bool]:
    """A request's method, parameters and id, and whether it wants an answer. Raises Refused."""
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
        raise Refused(INVALID_REQUEST, 'no request: an object with "jsonrpc": "2.0"')
    id = request.get("id")
    if isinstance(id, bool) or not isinstance(id, str | int | float | None):
        raise Refused(INVALID_REQUEST, "an id is a string, a number or null")
    name, params = request.get("method"), request.get("params", [])
    if not isinstance(name, str) or not isinstance(params, list | dict):
        error = Refused(INVALID_REQUEST, "method is a string, and params an array or an object")
        raise error
    return name, params, id, "id" in request


def _depth(value: Any, limit: int) -> int:
    """How deep arrays and objects are within each other, up to one more than the limit."""
    level: Sequence[Any] = [value]
    for depth in range(limit + 1):
        level = [each for each in level if isinstance(each, list | dict)]
        if not level:
            return depth
        level = [inner for each in level for inner in _inside(each)]
    return limit + 1


def _inside(value: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _failed(id: Any, error: Refused) -> dict[str, Any]:
    found: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        found["data"] = error.data
    return {"jsonrpc": "2.0", "error": found, "id": id}


def _encoded(answer: object) -> bytes:
    return msgspec.json.encode(answer)
