"""Running RPC commands: the node's own, and those that clients have added to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import msgspec

import mpipc
from interfaces.chain import JSONRPCRequest, RPCCommand
from interfaces.errors import RPCError, RPCTypeError
from interfaces.handler import Handler
from interfaces.rpc import Rpc
from interfaces.values import Json
from mpipc.jsonrpc.dispatch import Dispatcher

_METHOD_NOT_FOUND = -32601


class RpcCommands:
    """All commands by name. A client's is asked where the node has none of that name."""

    def __init__(self, own: object) -> None:
        self._dispatcher = Dispatcher(own)
        self._lock = threading.Lock()
        self._added: list[_Added] = []

    def names(self) -> list[str]:
        """The names of all commands."""
        document = self._run("rpc.discover", [])
        own = {method["name"] for method in document["methods"]}
        return sorted(own | {command.name for command in self._present()})

    def add(self, command: RPCCommand) -> Handler:
        """Add a client's command, until the handler is disconnected or let go of."""
        added = _Added(command)
        with self._lock:
            self._added = [each for each in self._added if not each.ended] + [added]
        return _Registration(added)

    def _present(self) -> list[RPCCommand]:
        with self._lock:
            return [each.command for each in self._added if not each.ended]

    def execute(self, method: str, params: Any, uri: str = "", user: str = "") -> Any:
        """Run a command. Raises RPCError with a JSON document."""
        actors = [each.actor for each in self._present() if each.name == method]
        response: Json = "null"
        for index, actor in enumerate(actors):
            request = JSONRPCRequest("null", method, _text(params), uri=uri, auth_user=user)
            try:
                answer = actor(request, response, index == len(actors) - 1)
            except RPCTypeError as error:
                raise RPCError(str(error)) from None
            except mpipc.IpcError as error:
                raise _error(-32603, str(error)) from None
            response = answer.response
            if answer.result:
                return msgspec.json.decode(response)
        return self._run(method, params)

    def _run(self, method: str, params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params or []}
        answer = self._dispatcher.handle(msgspec.json.encode(request))
        assert answer is not None
        decoded = msgspec.json.decode(answer)
        if "error" in decoded:
            raise RPCError(_text(decoded["error"]))
        return decoded["result"]


class RpcOfNode(Rpc):
    def __init__(self, commands: RpcCommands) -> None:
        self._commands = commands

    def execute_rpc(self, request: Json, uri: str, user: str) -> Json:
        id, version = None, "2.0"
        try:
            asked = msgspec.json.decode(request)
            id, method, params = asked.get("id"), asked["method"], asked.get("params", [])
            result = self._commands.execute(method, params, uri, user)
        except RPCError as error:
            return _text({"jsonrpc": version, "id": id, "error": error.error})
        except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
            problem = {"code": -32600, "message": "no JSON-RPC request"}
            return _text({"jsonrpc": version, "id": id, "error": problem})
        return _text({"jsonrpc": version, "id": id, "result": result})


@dataclass
class _Added:
    command: RPCCommand
    ended: bool = False


class _Registration(Handler):
    """What the client holds. It only sets a mark, since `__del__` may come at any time."""

    def __init__(self, added: _Added) -> None:
        self._added = added

    def disconnect(self) -> None:
        self._added.ended = True

    def __del__(self) -> None:
        self._added.ended = True


def _error(code: int, message: str) -> RPCError:
    return RPCError(_text({"code": code, "message": message}))


def _text(value: Any) -> Json:
    return msgspec.json.encode(value).decode()
