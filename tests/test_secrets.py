"""What is declared secret is in no log, repr or error text, wherever it stands."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mpipc
from mpipc.cli import main
from mpipc.derive import derive
from mpipc.jsonrpc import Dispatcher
from mpipc.observe import log
from mpipc.schema import module_text
from tests.declarations.secretive import Backup, Box, Hints, Key, Level, Login, Pair, Pin, Safe
from tests.secretive_server import RealSafe

ROOT = Path(__file__).parent.parent
SECRET = "s3cret"
NUMBER = 987654321


class Serving:
    """A server process; `errors` is all that it has logged, once it has ended."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix:{path}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.secretive_server", self.address],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self._process.stdout and self._process.stdout.readline() == "ready\n"

    def stop(self) -> str:
        return self._process.communicate(timeout=30)[1]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    server = Serving(tmp_path / "s")
    yield server
    server.stop()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[io.StringIO]:
    """All that this process logs."""
    caplog.set_level(logging.DEBUG)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log.enable(stream)
    logging.getLogger().addHandler(handler)
    yield stream
    logger = logging.getLogger("mpipc.ipc")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    logging.getLogger().removeHandler(handler)


def all_of(error: BaseException) -> str:
    """All that could be printed of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error)


def without_secret(text: str) -> bool:
    return SECRET not in text and str(NUMBER) not in text


MANY: dict[str, Any] = {
    "passwords": [SECRET], "by_name": {"a": SECRET}, "hints": Hints(hint=SECRET),
    "pair": Pair(NUMBER, 2), "box": Box(SECRET), "either": SECRET, "level": Level.HIGH,
}  # fmt: skip


def test_calls_log_all_but_the_secrets(serving: Serving, said: io.StringIO) -> None:
    digits = Pin(str(NUMBER))
    with mpipc.connect(serving.address, Safe) as safe:
        assert safe.open("ann", SECRET, pin=digits) == "hello ann"
        assert safe.open(user="ann", password=SECRET, pin=digits) == "hello ann"
        assert safe.reveal("ann") == SECRET
        assert safe.several("ann").token == SECRET
        assert safe.login(Login("ann", SECRET)).password == SECRET
        assert safe.key(Key(SECRET.encode(), "m/0")).logins[0].password == SECRET
        safe.many(**MANY)
        told: list[str] = []
        safe.back(told.append)
        assert told == [SECRET]
    client, server = said.getvalue(), serving.stop()
    for text in (client, server):
        assert without_secret(text), text
        assert "Safe.open('ann', <secret>, pin=<secret>) -> 'hello ann'" in text
        assert "Safe.reveal('ann') -> <secret>" in text
        assert "Safe.login(Login(user='ann', password=<secret>)) -> Login(user='ann'" in text
        assert "Key(seed=<secret>, path=<secret>)" in text and "Backup(name='all'" in text
        assert "Pair(left=<secret>, right=2)" in text and "Box(inside=<secret>)" in text
    assert "Safe.open(user='ann', password=<secret>, pin=<secret>)" in client
    assert "__call__(<secret>)" in client and "__call__(<secret>)" in server


WRONG = {
    "a parameter": lambda safe: safe.open("ann", SECRET.encode(), pin=Pin("1")),
    "a type with hooks": lambda safe: safe.open("ann", "", pin=SECRET),
    "no Unicode": lambda safe: safe.open("ann", SECRET + "\udc80", pin=Pin("1")),
    "a field": lambda safe: safe.login(Login("ann", SECRET.encode())),  # type: ignore[arg-type]
    "a struct": lambda safe: safe.key(SECRET),
    "another struct": lambda safe: safe.login(Key(SECRET.encode(), "m/0")),
    "where none belongs": lambda safe: safe.reveal(Login("ann", SECRET)),
    "a list": lambda safe: safe.many(**{**MANY, "passwords": [SECRET.encode()]}),
    "a text for a list": lambda safe: safe.many(**{**MANY, "passwords": SECRET}),
    "a dict": lambda safe: safe.many(**{**MANY, "by_name": {"a": NUMBER}}),
    "a TypedDict": lambda safe: safe.many(**{**MANY, "hints": {"hint": NUMBER}}),
    "a number": lambda safe: safe.many(**{**MANY, "pair": Pair(NUMBER << 40, 2)}),
    "a generic struct": lambda safe: safe.many(**{**MANY, "box": Box(SECRET.encode())}),
    "a union": lambda safe: safe.many(**{**MANY, "either": SECRET.encode()}),
    "an Enum": lambda safe: safe.many(**{**MANY, "level": SECRET}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_value_that_does_not_fit_is_not_shown(tmp_path: Path, wrong: str) -> None:
    with (
        mpipc.serve("unix:s", RealSafe(), datadir=tmp_path) as server,
        mpipc.connect(server.address, Safe) as safe,
        pytest.raises(mpipc.ConversionError) as raised,
    ):
        WRONG[wrong](safe)
    assert without_secret("".join(traceback.format_exception_only(raised.value)))
    assert raised.value.__cause__ is None and "Safe." in str(raised.value)


def test_the_error_of_a_server_shows_no_secret(serving: Serving, said: io.StringIO) -> None:
    with mpipc.connect(serving.address, Safe) as safe:
        for call in (safe.reveal, safe.several):
            with pytest.raises(mpipc.RemoteError) as raised:
                call("wrong")
            assert "does not fit and is not shown" in str(raised.value)
            assert without_secret(all_of(raised.value))
    assert without_secret(said.getvalue() + serving.stop())


def test_what_cannot_be_read_is_not_shown(serving: Serving, said: io.StringIO) -> None:
    with (
        mpipc.connect(serving.address, Safe) as safe,
        pytest.raises(mpipc.ConversionError) as raised,
    ):
        safe.pin()
    assert str(raised.value) == (
        "Safe.pin: result (secret): received a value that does not fit, and is not shown"
    )
    assert without_secret(all_of(raised.value) + said.getvalue() + serving.stop())


def test_what_cannot_be_read_in_a_secret_dict_is_not_shown(serving: Serving) -> None:
    with (
        mpipc.connect(serving.address, Safe) as safe,
        pytest.raises(mpipc.ConversionError) as raised,
    ):
        safe.pins()
    assert str(raised.value) == (
        "Safe.pins: result (secret): received a value that does not fit, and is not shown"
    )
    assert without_secret(all_of(raised.value) + serving.stop())


def test_the_command_shows_no_secret_that_it_was_given(
    serving: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ["Safe.many", f'["{SECRET}", 5]', "{}", "{}", "[1, 2]", '{"inside": ""}', '"a"', "LOW"],
        ["Safe.many", "[]", "{}", "{}", "[1, 2]", '{"inside": ""}', '"a"', SECRET],
        ["Safe.login", f'{{"user": 5, "password": "{SECRET}"}}'],
        ["Safe.key", f'{{"seed": "{SECRET}", "path": "m/0"}}'],
        ["Safe.open", "ann", f"password={SECRET}", f"pin={SECRET}"],
    ):
        package = ["--package", "tests.declarations.secretive"]
        assert main(["call", *package, serving.address, *arguments]) == 2, arguments
        captured = capsys.readouterr()
        assert without_secret(captured.out + captured.err), captured


def test_json_rpc_errors_show_no_secret(tmp_path: Path) -> None:
    dispatcher = Dispatcher(RealSafe())
    for params in (
        f'{{"user": "ann", "password": ["{SECRET}"], "pin": "1"}}',
        f'{{"user": "ann", "password": "", "pin": "{SECRET}"}}',
    ):
        request = f'{{"jsonrpc": "2.0", "id": 1, "method": "open", "params": {params}}}'
        answer = dispatcher.handle(request.encode())
        assert answer and b'"error"' in answer
        assert without_secret(answer.decode())


def test_the_wire_does_not_change() -> None:
    """The schema of the same declarations is the same without a word of secrets."""
    module = "tests.declarations.secretive"
    source = (ROOT / "tests/declarations/secretive.py").read_text()
    plain = source.replace("Field(secret=True)", '""').replace("(secret=True)", "()")
    namespace = type(sys)(module)
    before = sys.modules[module]
    sys.modules[module] = namespace
    try:
        exec(compile(plain, "plain", "exec"), namespace.__dict__)
        without = module_text(derive([module]), module)
    finally:
        sys.modules[module] = before
    assert module_text(derive([module]), module) == without


def test_the_wallets_secrets_are_declared() -> None:
    model = derive(["interfaces.wallet", "interfaces.node", "interfaces.rpc"])
    secret = {
        f"{owner.name}.{method.name}.{field.name}"
        for module in model.modules.values()
        for owner in module.interfaces
        for method in owner.methods
        for field in (*method.parameters, *method.result_fields)
        if field.secret
    }
    assert secret >= {
        "Wallet.encrypt_wallet.wallet_passphrase", "Wallet.unlock.wallet_passphrase",
        "Wallet.change_wallet_passphrase.old_wallet_passphrase",
        "Wallet.change_wallet_passphrase.new_wallet_passphrase",
        "WalletLoader.create_wallet.passphrase", "WalletLoader.migrate_wallet.passphrase",
        "Node.execute_rpc.params", "Node.execute_rpc.result", "Rpc.execute_rpc.request",
    }  # fmt: skip
    fields = {f.name: f.secret for f in model.struct(derive_key("interfaces.wallet", "Key")).fields}
    assert fields == {"secret": True, "is_compressed": False}


def derive_key(module: str, name: str) -> Any:
    from mpipc.model import TypeName

    return TypeName(module, name)


@pytest.mark.parametrize("shape", [Backup, Login])
def test_reprs_of_users_classes_are_theirs(shape: type) -> None:
    """mpipc shows no secret, but does not change what a class of the user's says of itself."""
    login = Login("ann", SECRET)
    found = login if shape is Login else Backup("all", [login], None)
    assert SECRET in repr(found)
