"""JSON-RPC from the same declarations: over real sockets, with bad clients as well as good ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import socket
import stat
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import NotRequired, TypedDict

import mpipc
from interfaces.chain import Chain
from interfaces.mining import BlockCreateOptions, BlockTemplate, Mining
from interfaces.node import Node
from interfaces.wallet import Wallet
from mpipc import Int32, jsonrpc, testing
from mpipc.derive import derive_interface
from mpipc.jsonrpc.values import Values, without_json
from mpipc.model import TypeName
from mpipc.testing.comparing import Comparing
from mpipc.testing.strategies import Strategies


class Entry(msgspec.Struct, frozen=True):
    """A line in the book."""

    amount: Int32
    text: str = ""
    next_entry: Entry | None = None


class Refused(Exception):
    """The book is full."""

    code = 17


class Page(mpipc.Results):
    number: Int32
    entries: list[Entry]


@mpipc.interface
class Book(ABC):
    """What is served."""

    @mpipc.method(raises=Refused)
    @abstractmethod
    def add_entry(self, new_entry: Entry, twice: bool = False) -> Int32:
        """Add an entry.

        Returns how many there are.
        """

    @abstractmethod
    def find_page(self, number: Int32) -> Page: ...

    @abstractmethod
    def shift(self, at: datetime, by: timedelta) -> datetime | None: ...

    @abstractmethod
    def turn(self, pair: tuple[Int32, str], others: list[bytes | None]) -> tuple[str, Int32]: ...

    @abstractmethod
    def fail(self) -> None: ...

    @abstractmethod
    def watch(self, callback: Callable[[Entry], None]) -> None: ...


class HereBook(Book):
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add_entry(self, new_entry: Entry, twice: bool = False) -> int:
        if len(self.entries) >= 5:
            raise Refused("full")
        self.entries += [new_entry] * (2 if twice else 1)
        return len(self.entries)

    def find_page(self, number: int) -> Page:
        return Page(number, self.entries)

    def shift(self, at: datetime, by: timedelta) -> datetime | None:
        return at + by if by else None

    def turn(self, pair: tuple[int, str], others: list[bytes | None]) -> tuple[str, int]:
        return pair[1], pair[0] + len(others)

    def fail(self) -> None:
        raise RuntimeError("secret")

    def watch(self, callback: Callable[[Entry], None]) -> None: ...


DISPATCHER = jsonrpc.Dispatcher(HereBook())


class Client:
    """Somebody with the cookie."""

    def __init__(self, server: jsonrpc.Server, cookie: Path) -> None:
        host, port = server.address.removeprefix("http://").rstrip("/").rsplit(":", 1)
        self.place = host, int(port)
        token = base64.b64encode(cookie.read_bytes()).decode()
        self.headers = {"Authorization": f"Basic {token}"}

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.place, timeout=30)
        connection.request("POST", "/", body, self.headers if headers is None else headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask(self, request: object) -> Any:
        status, body = self.post(json.dumps(request).encode())
        assert status == 200
        return json.loads(body)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        params = kwargs or list(args)
        return self.ask({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})

    def raw(self, data: bytes) -> bytes:
        """What comes back for these bytes until the server ends the connection."""
        with socket.create_connection(self.place, timeout=30) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            found = b""
            while chunk := sock.recv(65536):
                found += chunk
            return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Client]:
    with jsonrpc.serve(HereBook(), cookie=tmp_path / ".cookie") as server:
        yield Client(server, tmp_path / ".cookie")


def code(answer: Any) -> int:
    found: int = answer["error"]["code"]
    return found


def test_methods_have_their_schema_names_and_their_python_names(served: Client) -> None:
    assert served.call("addEntry", {"amount": 1})["result"] == 1
    assert served.call("add_entry", {"amount": 2, "text": "b"}, True)["result"] == 3


def test_parameters_come_by_position_or_by_either_name(served: Client) -> None:
    assert served.call("addEntry", newEntry={"amount": 1}, twice=True)["result"] == 2
    assert served.call("addEntry", new_entry={"amount": 1})["result"] == 3
    inner = {"amount": 1, "text": "", "nextEntry": None}
    assert served.call("findPage", number=7)["result"] == {"number": 7, "entries": [inner] * 3}


def test_tuples_are_arrays_of_a_fixed_length(served: Client) -> None:
    assert served.call("turn", [1, "a"], ["00ff", None])["result"] == ["a", 3]
    assert code(served.call("turn", [1], [])) == -32602
    assert code(served.call("turn", [1, "a"], ["0", None])) == -32602


def test_times_are_texts_and_durations_seconds(served: Client) -> None:
    at = "2026-01-02T03:04:05Z"
    assert served.call("shift", at, 1.5)["result"] == "2026-01-02T03:04:06.500000Z"
    assert served.call("shift", at, 0)["result"] is None


def test_batches_and_notifications(served: Client) -> None:
    add = {"jsonrpc": "2.0", "method": "addEntry", "params": [{"amount": 1}]}
    answers = served.ask([add, {**add, "id": "a"}, 1, {**add, "id": None}, {**add, "method": "x"}])
    assert [each["id"] for each in answers] == ["a", None, None]
    assert answers[0]["result"] == 2
    assert code(answers[1]) == -32600
    assert answers[2]["result"] == 3
    assert served.post(json.dumps(add).encode()) == (204, b"")
    assert served.post(json.dumps([add]).encode()) == (204, b"")
    assert code(served.ask([])) == -32600
    assert code(served.ask([add] * 1001)) == -32600


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"method": "fail", "id": 1}, -32600),
        ({"jsonrpc": "2.0", "id": 1}, -32600),
        ({"jsonrpc": "2.0", "method": 5, "id": 1}, -32600),
        ({"jsonrpc": "2.0", "method": "fail", "params": 5, "id": 1}, -32600),
        ({"jsonrpc": "2.0", "method": "fail", "id": {}}, -32600),
        ({"jsonrpc": "2.0", "method": "fail", "id": True}, -32600),
        ({"jsonrpc": "2.0", "method": "_call", "id": 1}, -32601),
        ({"jsonrpc": "2.0", "method": "__init__", "id": 1}, -32601),
        ({"jsonrpc": "2.0", "method": "watch", "params": ["x"], "id": 1}, -32601),
        ({"jsonrpc": "2.0", "method": "fail", "params": [1], "id": 1}, -32602),
        ({"jsonrpc": "2.0", "method": "fail", "params": {"x": 1}, "id": 1}, -32602),
        ({"jsonrpc": "2.0", "method": "findPage", "id": 1}, -32602),
        ({"jsonrpc": "2.0", "method": "findPage", "params": [2**31], "id": 1}, -32602),
        ({"jsonrpc": "2.0", "method": "findPage", "params": [True], "id": 1}, -32602),
        ({"jsonrpc": "2.0", "method": "findPage", "params": [1.0], "id": 1}, -32602),
        ({"jsonrpc": "2.0", "method": "addEntry", "params": [{}], "id": 1}, -32602),
        ({"jsonrpc": "2.0", "method": "addEntry", "params": [{"amount": 1, "x": 1}], "id": 1},
         -32602),
        ({"jsonrpc": "2.0", "method": "shift", "params": ["later", 1], "id": 1}, -32602),
        ({"jsonrpc": "2.0", "method": "fail", "id": 1}, -32603),
        (1, -32600),
        (None, -32600),
        ("fail", -32600),
    ],
)  # fmt: skip
def test_errors_have_the_codes_of_the_specification(
    request_: object, expected: int, served: Client
) -> None:
    answer = served.ask(request_)
    assert code(answer) == expected
    assert "secret" not in json.dumps(answer)


def test_an_invalid_parameter_is_named(served: Client) -> None:
    entry = {"amount": 1, "nextEntry": {"amount": "x"}}
    answer = served.call("addEntry", entry)
    assert answer["error"]["message"] == (
        "newEntry.nextEntry.amount: expected an integer from -2147483648 to 2147483647"
    )


def test_a_declared_exception_is_an_application_error(served: Client) -> None:
    for _ in range(5):
        served.call("addEntry", {"amount": 1})
    error = served.call("addEntry", {"amount": 1})["error"]
    assert error == {"code": 17, "message": "full", "data": {"exception": "Refused"}}


def test_the_document_describes_every_method_that_can_be_called(served: Client) -> None:
    found = served.call("rpc.discover")["result"]
    assert found["openrpc"].startswith("1.")
    methods = {each["name"]: each for each in found["methods"]}
    assert list(methods) == ["addEntry", "fail", "findPage", "shift", "turn"]
    add = methods["addEntry"]
    assert add["summary"] == "Add an entry."
    assert [(each["name"], each["required"]) for each in add["params"]] == [
        ("newEntry", True),
        ("twice", False),
    ]
    assert add["params"][0]["schema"] == {"$ref": "#/components/schemas/Entry"}
    entry = found["components"]["schemas"]["Entry"]
    assert entry["required"] == ["amount"]
    assert entry["properties"]["amount"]["maximum"] == 2**31 - 1


# ------------------------------------------------------------------------------------- namespaces


class Unknown(Exception):
    code = -18


class Shelf:
    """Books by their names."""

    def __init__(self) -> None:
        self.books = {"green": HereBook(), "red": HereBook()}

    def find(self, name: str) -> Book:
        if name not in self.books:
            raise Unknown(f"no book {name!r}")
        return self.books[name]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Client]:
    books = jsonrpc.ByName(Book, Shelf().find, parameter="title", raises=Unknown)
    with jsonrpc.serve(
        HereBook(),
        namespaces={"other": HereBook(), "shelf": books, "mining": Sleepy()},
        cookie=tmp_path / ".cookie",
    ) as server:
        yield Client(server, tmp_path / ".cookie")


def test_methods_of_a_namespace_have_it_before_their_names(library: Client) -> None:
    assert library.call("addEntry", {"amount": 1})["result"] == 1
    assert library.call("other.addEntry", {"amount": 1})["result"] == 1
    assert library.call("other.add_entry", new_entry={"amount": 1})["result"] == 2
    assert library.call("mining.isTestChain")["result"] is True
    assert code(library.call("isTestChain")) == -32601
    assert code(library.call("nothing.addEntry")) == -32601


def test_a_parameter_names_one_of_many_objects(library: Client) -> None:
    assert library.call("shelf.addEntry", "red", {"amount": 1})["result"] == 1
    assert library.call("shelf.add_entry", title="red", newEntry={"amount": 1})["result"] == 2
    assert library.call("shelf.addEntry", "green", {"amount": 1}, True)["result"] == 2
    error = library.call("shelf.findPage", "blue", 1)["error"]
    assert error == {
        "code": -18, "message": "no book 'blue'", "data": {"exception": "Unknown"}
    }  # fmt: skip
    for params in ([], {}, {"number": 1}, [1, 1], [None], {"title": ["red"]}):
        request = {"jsonrpc": "2.0", "method": "shelf.findPage", "params": params, "id": 1}
        found = library.ask(request)["error"]
        assert found["code"] == -32602
        assert found["message"].startswith("title: ")


def test_the_error_says_why_json_cannot_call_a_method(library: Client) -> None:
    for name in ("watch", "other.watch", "shelf.watch"):
        error = library.call(name, 1)["error"]
        assert error["code"] == -32601
        assert error["message"] == (
            f"'{name}' is not for JSON: its parameter 'callback' is or holds an object or a"
            " callable, which JSON has not"
        )
    message = library.call("mining.createNewBlock", {})["error"]["message"]
    assert "its result 'result' is or holds an object" in message


def test_the_document_has_the_methods_of_all_namespaces(library: Client) -> None:
    methods = {each["name"]: each for each in library.call("rpc.discover")["result"]["methods"]}
    assert {"addEntry", "other.addEntry", "shelf.addEntry", "mining.getTip"} <= methods.keys()
    assert "other.watch" not in methods
    assert methods["shelf.findPage"]["params"][0] == {
        "name": "title", "required": True, "schema": {"type": "string"}
    }  # fmt: skip
    assert [each["name"] for each in methods["other.findPage"]["params"]] == ["number"]


def test_the_objects_of_no_interface_are_refused() -> None:
    nothing: Any = object()
    with pytest.raises(mpipc.SchemaError, match="is no interface"):
        jsonrpc.Dispatcher(
            namespaces={"books": jsonrpc.ByName(nothing, Shelf().find, parameter="n")}
        )


@pytest.mark.parametrize("name", ["", "rpc", "a.b", "1a", "ä", "a b", 1])
def test_what_cannot_be_a_namespace_is_refused(name: Any) -> None:
    with pytest.raises(mpipc.SchemaError, match="cannot be a namespace"):
        jsonrpc.Dispatcher(namespaces={name: HereBook()})


def test_a_name_is_not_also_a_parameter_of_the_method() -> None:
    books = jsonrpc.ByName(Book, Shelf().find, parameter="number")
    with pytest.raises(mpipc.SchemaError, match=r"'shelf.findPage' has a parameter 'number'"):
        jsonrpc.Dispatcher(namespaces={"shelf": books})


class Unfinished(HereBook):
    def find_page(self, number: int) -> Page:
        raise NotImplementedError("this book has no pages")


def test_what_is_not_implemented_is_a_method_that_is_not_there(tmp_path: Path) -> None:
    with jsonrpc.serve(Unfinished(), cookie=tmp_path / ".cookie") as server:
        error = Client(server, tmp_path / ".cookie").call("findPage", 1)["error"]
    assert error == {"code": -32601, "message": "this book has no pages"}


# ------------------------------------------------------------------------------------ who may ask


def test_the_cookie_belongs_to_its_user_and_goes_with_the_server(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    with jsonrpc.serve(HereBook(), cookie=cookie):
        assert stat.S_IMODE(cookie.stat().st_mode) == 0o600
        assert cookie.read_text().startswith("__cookie__:")
        assert [each.name for each in tmp_path.iterdir()] == [".cookie"]
        first = cookie.read_text()
        with jsonrpc.serve(HereBook(), cookie=cookie):
            assert cookie.read_text() != first
    assert not cookie.exists()


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    (tmp_path / ".cookie").symlink_to(tmp_path / "other")
    with jsonrpc.serve(HereBook(), cookie=tmp_path / ".cookie"):
        assert not (tmp_path / ".cookie").is_symlink()
    assert (tmp_path / "other").read_text() == "kept"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Basic", "Basic !!!", "Bearer x", "Basic X19jb29raWVfXzo=", "Basic \xff"],
)
def test_nobody_else_gets_in(authorization: str | None, served: Client) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    assert served.post(b"[]", headers) == (401, b"")


def test_only_loopback_addresses_are_listened_on(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "localhost.example"):
        with pytest.raises(mpipc.AddressError):
            jsonrpc.serve(HereBook(), cookie=tmp_path / "c", host=host)
    assert not (tmp_path / "c").exists()


# ------------------------------------------------------------------------------------ bad clients


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b'"\\ud800"', -32700),
        (b"[" * 500_000, -32700),
        (b'{"a":' * 100_000, -32700),
        (b"[" * 65 + b"]" * 65, -32600),
        (b'{"jsonrpc": "2.0", "method": "fail", "id": 1e999}', -32700),
    ],
)
def test_what_is_no_request_is_an_error(body: bytes, expected: int, served: Client) -> None:
    status, answer = served.post(body)
    assert status == 200
    assert code(json.loads(answer)) == expected
    assert served.call("findPage", 1)["result"]["number"] == 1


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:0\\ tfn', max_size=80).map(str.encode))
@settings(max_examples=300)
def test_any_bytes_get_an_answer(body: bytes) -> None:
    answer = DISPATCHER.handle(body)
    if answer is not None:
        found = json.loads(answer)
        assert all(
            isinstance(each, dict) for each in (found if isinstance(found, list) else [found])
        )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False,
    allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["amount", "text", "nextEntry", "number", "x"]), inner, max_size=3),
)  # fmt: skip


@given(
    st.sampled_from(["addEntry", "find_page", "shift", "fail", "watch"]),
    st.lists(json_values, max_size=3) | st.dictionaries(
        st.sampled_from(["newEntry", "twice", "number", "at", "by"]), json_values),
)  # fmt: skip
@settings(max_examples=300)
def test_any_parameters_get_an_answer(method: str, params: Any) -> None:
    request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
    answer = DISPATCHER.handle(json.dumps(request).encode())
    assert answer is not None
    found = json.loads(answer)
    assert found["id"] == 1
    assert "result" in found or found["error"]["code"] in (17, -32601, -32602, -32603)
    if method != "fail":
        assert "result" in found or found["error"]["code"] != -32603, found


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"501"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", b"401"),
        (b"POST /x HTTP/1.1\r\nAUTH\r\nContent-Length: 2\r\n\r\n[]", b"404"),
        (b"POST / HTTP/1.1\r\nAUTH\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nAUTH\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]", b"411"),
        (b"POST / HTTP/1.1\r\nAUTH\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nAUTH\r\nContent-Length: 1_0\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nAUTH\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nAUTH\r\nContent-Length: " + b"9" * 60_000 + b"\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"POST / HTTP/9.9\r\n\r\n", b"505"),
        (b"\0\1\2\r\n\r\n", b"400"),
    ],
)  # fmt: skip
def test_bad_http_is_refused(request_: bytes, status: bytes, served: Client) -> None:
    auth = f"Authorization: {served.headers['Authorization']}".encode()
    found = served.raw(request_.replace(b"AUTH", auth))
    assert status in found.split(b"\r\n")[0], found[:200]


def test_a_body_that_ends_early_gets_no_answer(served: Client) -> None:
    auth = served.headers["Authorization"].encode()
    head = b"POST / HTTP/1.1\r\nAuthorization: " + auth + b"\r\nContent-Length: 10\r\n\r\n[]"
    assert served.raw(head) == b""


def test_a_client_that_is_too_slow_is_dropped(tmp_path: Path) -> None:
    limits = jsonrpc.Limits(seconds=0.3)
    with jsonrpc.serve(HereBook(), cookie=tmp_path / ".cookie", limits=limits) as server:
        client = Client(server, tmp_path / ".cookie")
        with socket.create_connection(client.place, timeout=30) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\n")
            assert sock.recv(1) == b""
        assert client.call("findPage", 1)["result"]["number"] == 1


def test_more_clients_than_allowed_are_turned_away(tmp_path: Path) -> None:
    limits = jsonrpc.Limits(connections=2)
    with jsonrpc.serve(HereBook(), cookie=tmp_path / ".cookie", limits=limits) as server:
        client = Client(server, tmp_path / ".cookie")
        kept = [http.client.HTTPConnection(*client.place, timeout=30) for _ in range(2)]
        for each in kept:
            each.request("POST", "/", b"{}", client.headers)
            each.getresponse().read()
        with socket.create_connection(client.place, timeout=30) as sock:
            assert sock.recv(1) == b""
        for each in kept:
            each.request("POST", "/", b"{}", client.headers)
            assert each.getresponse().status == 200
            each.close()


def test_closing_drops_clients_and_ends_the_threads(tmp_path: Path) -> None:
    server = jsonrpc.serve(HereBook(), cookie=tmp_path / ".cookie")
    client = Client(server, tmp_path / ".cookie")
    with socket.create_connection(client.place, timeout=30) as sock:
        client.call("findPage", 1)
        server.close()
        server.close()
        assert sock.recv(1) == b""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(client.place, timeout=30)
    assert "mpipc-jsonrpc" not in {each.name for each in threading.enumerate()}


# ----------------------------------------------------------------------------- other declarations


class Sleepy(Mining):
    """Only one of its methods matters here."""

    def is_test_chain(self) -> bool:
        return True

    def is_initial_block_download(self) -> bool:
        return False

    def get_tip(self) -> Any:
        return None

    def wait_tip_changed(self, current_tip: bytes, timeout: timedelta) -> Any:
        return None

    def create_new_block(self, options: BlockCreateOptions) -> BlockTemplate | None:
        return None

    def check_block(self, block: bytes, options: Any) -> Any:
        raise AssertionError


def test_a_proxy_can_be_served(tmp_path: Path) -> None:
    with testing.connected(Sleepy(), Mining) as mining:
        dispatcher = jsonrpc.Dispatcher(mining)
        request = {"jsonrpc": "2.0", "method": "is_test_chain", "id": 1}
        answer = dispatcher.handle(json.dumps(request).encode())
    assert answer is not None
    assert json.loads(answer)["result"] is True


def test_what_is_no_object_of_an_interface_is_refused(tmp_path: Path) -> None:
    with pytest.raises(mpipc.SchemaError, match="int is derived from no interface"):
        jsonrpc.serve(5, cookie=tmp_path / ".cookie")
    with pytest.raises(mpipc.SchemaError, match="two methods are called"):
        jsonrpc.serve(HereBook(), HereBook(), cookie=tmp_path / ".cookie")


@pytest.mark.parametrize("cls", [Chain, Node, Wallet, Book], ids=lambda cls: cls.__name__)
def test_values_survive_json(cls: type) -> None:
    model = derive_interface(cls)
    values, comparing, strategies = Values(model), Comparing(model), Strategies(model)
    interface = model.interface(TypeName(cls.__module__, cls.__qualname__))
    fields = {
        (type(field.type), field.type, field.optional): field
        for method in interface.methods
        for field in (*method.parameters, *method.result_fields)
        if without_json(field.type, model) is None
    }
    assert fields

    @settings(max_examples=100)
    @given(st.data())
    def check(data: Any) -> None:
        field = data.draw(st.sampled_from(list(fields.values())))
        value = data.draw(strategies.field(field))
        text = json.dumps(values.write_field(field, value))
        if not any(word in repr(value) for word in ("nan", "inf")):
            again = values.read_field(field, json.loads(text), "x")
            assert comparing.same([field], [value], [again])

    check()


def test_a_point_in_time_survives_json() -> None:
    model = derive_interface(Book)
    interface = model.interface(TypeName(__name__, "Book"))
    shift = next(each for each in interface.methods if each.name == "shift")
    values, field = Values(model), shift.parameters[0]
    at = datetime(2026, 1, 2, 3, 4, 5, 6, timezone.utc)
    assert values.read_field(field, values.write_field(field, at), "at") == at


class Measures(TypedDict):
    width: Int32
    depth: NotRequired[Int32]


@mpipc.interface(root=True)
class Clerk(ABC):
    @abstractmethod
    async def count(self, start: Int32) -> Int32: ...

    @mpipc.method(raises=Refused)
    @abstractmethod
    async def refuse(self) -> None: ...

    @property
    @abstractmethod
    def name_plate(self) -> str: ...

    @abstractmethod
    def measure(self, measures: Measures) -> Measures: ...

    @abstractmethod
    def rows(self) -> Iterator[Int32]: ...

    @abstractmethod
    def news(self) -> AsyncIterator[Int32]: ...


class HereClerk(Clerk):
    called = 0

    async def count(self, start: int) -> int:
        await asyncio.sleep(0)
        return start + 1

    async def refuse(self) -> None:
        raise Refused("closed")

    @property
    def name_plate(self) -> str:
        self.called += 1
        return f"read {self.called} times"

    def measure(self, measures: Measures) -> Measures:
        return measures

    def rows(self) -> Iterator[int]:
        return iter([1])

    async def news(self) -> AsyncIterator[int]:
        yield 1


def _asked(dispatcher: jsonrpc.Dispatcher, method: str, params: Any = ()) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = dispatcher.handle(msgspec.json.encode(request))
    assert answer is not None
    found = json.loads(answer)
    return found["result"] if "result" in found else found["error"]


@pytest.mark.parametrize("where", ["here", "there"])
def test_methods_of_every_form(where: str) -> None:
    with contextlib.ExitStack() as stack:
        clerk: Any = HereClerk()
        if where == "there":
            clerk = stack.enter_context(testing.connected(clerk, Clerk))
        dispatcher = jsonrpc.Dispatcher(clerk)
        assert _asked(dispatcher, "count", [3]) == 4
        assert _asked(dispatcher, "refuse")["code"] == 17
        assert [_asked(dispatcher, "namePlate") for _ in "ab"] == ["read 1 times", "read 2 times"]
        assert _asked(dispatcher, "name_plate", [1])["code"] == -32602
        assert _asked(dispatcher, "measure", [{"width": 1}]) == {"width": 1}
        missing = _asked(dispatcher, "measure", [{"depth": 1}])
        assert missing["message"] == "measures.width: missing"
        for name in ("rows", "news"):
            refused = _asked(dispatcher, name)
            assert refused["code"] == -32601
            assert "'result' is or holds an iterator" in refused["message"]
        offered = {each["name"] for each in _asked(dispatcher, "rpc.discover")["methods"]}
        assert offered == {"count", "refuse", "namePlate", "measure"}
