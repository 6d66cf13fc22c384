"""Requests -> calls -> answers, without any I/O."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from mpipc.errors import SchemaError
from mpipc.jsonrpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Refused,
)
from mpipc.jsonrpc.openrpc import document
from mpipc.jsonrpc.procedures import Procedure, methods_of, names_of, obstacle

_log = logging.getLogger("mpipc.jsonrpc")
DISCOVER = "rpc.discover"
_NAMESPACE = re.compile("[A-Za-z][A-Za-z0-9]*", re.ASCII)


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


class Dispatcher:
    """The methods of some objects, each an object of an interface.

    Offered are the methods whose parameters and results are values, by their schema names and by
    their Python names: `getHeight` and `get_height`. Those of the objects in `namespaces` have
    the namespace before them: `chain.getHeight`. An object there may be a ByName, too.

    Raises SchemaError for what is no object of an interface, where two methods have the same name,
    and for a namespace that is no word of letters and digits, or is `rpc`, which JSON-RPC keeps for
    itself.
    """

    def __init__(
        self,
        *objects: object,
        namespaces: Mapping[str, object] = MappingProxyType({}),
        limits: Limits = Limits(),  # noqa: B008
    ) -> None:
        self.limits = limits
        self._procedures: dict[str, Procedure] = {}
        self._others: dict[str, str] = {}
        for each in objects:
            self._add(each, None)
        for name, each in namespaces.items():
            if not isinstance(name, str) or not _NAMESPACE.fullmatch(name) or name == "rpc":
                raise SchemaError(f"{name!r} cannot be a namespace")
            self._add(each, name)
        self._document = document(dict.fromkeys(self._procedures.values()))

    def _add(self, target: object, namespace: str | None) -> None:
        """Offer the methods of an object."""
        model, methods = methods_of(target)
        for method in methods:
            names = {*names_of(method, namespace)}
            missing = obstacle(method, model)
            if missing is not None:
                self._others |= {name: f"{name!r} is not for JSON: {missing}" for name in names}
                continue
            procedure = Procedure(target, method, model, namespace)
            for name in names:
                if name in self._procedures:
                    raise SchemaError(f"two methods are called {name!r}")
                self._procedures[name] = procedure

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
