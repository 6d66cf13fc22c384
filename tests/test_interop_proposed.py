"""The proposed interfaces of Bitcoin Core: pycapnp on the committed schemas calls mpipc."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import mpipc
from interfaces.chain import (
    BlockInfo,
    Chain,
    ChainNotifications,
    ChainstateRole,
    FoundBlock,
    FoundBlockParam,
    FoundBlockResult,
    HelpResult,
    JSONRPCRequest,
    RPCCommand,
)
from interfaces.common import BilingualStr, GlobalArgs, Result, ResultVoid
from interfaces.enums import RPCMode, SettingsAction, SynchronizationState, WalletFlags
from interfaces.errors import RPCError
from interfaces.handler import Handler
from interfaces.node import BlockTip, Node
from interfaces.proposed import ProposedInit
from interfaces.values import BlockHash, OutPoint
from interfaces.wallet import (
    CoinControl,
    LoadedWallet,
    TxDestination,
    Wallet,
    WalletLoader,
    WalletTxOut,
)
from mpipc.schema import INCLUDE
from tests.interop.service import Foreign

GENESIS_TIME = datetime(2009, 1, 3, 18, 15, 5, tzinfo=timezone.utc)
HASH, NEXT = BlockHash(b"\1" * 32), BlockHash(b"\2" * 32)


def an(cls: type) -> Any:
    """An object of a class that lacks methods: nobody should call them."""

    def unexpected(self: object, *args: object) -> None:
        raise AssertionError("nobody should call this")

    missing = dict.fromkeys(getattr(cls, "__abstractmethods__", ()), unexpected)
    return type(cls.__name__, (cls,), missing)()


class Connected(Handler):
    def disconnect(self) -> None:
        pass


class HereChain(Chain):
    def get_height(self) -> int | None:
        return 840_000

    def get_prune_height(self) -> int | None:
        return None

    def find_block(self, hash: BlockHash, block: FoundBlockParam) -> FoundBlock:
        assert (hash, str(hash)) == (HASH, "01" * 32)
        assert block == FoundBlockParam(want_time=True, next_block=FoundBlockParam(want_hash=True))
        after = FoundBlockResult(hash=NEXT, found=True)
        found = FoundBlockResult(time=GENESIS_TIME, next_block=after, found=True)
        return FoundBlock(found, True)

    def find_coins(self, coins: dict[OutPoint, bytes]) -> dict[OutPoint, bytes]:
        return {each: f"coin {index}".encode() for index, each in enumerate(coins)}

    def calculate_individual_bump_fees(
        self, outpoints: list[OutPoint], target_feerate: bytes
    ) -> dict[OutPoint, int]:
        return dict.fromkeys(outpoints, -7)

    def check_chain_limits(self, tx: bytes) -> ResultVoid:
        return ResultVoid(BilingualStr("too long", ""))

    def handle_notifications(self, notifications: ChainNotifications) -> Handler:
        block = BlockInfo(HASH, height=5)
        notifications.block_connected(ChainstateRole(validated=True, historical=False), block)
        return Connected()

    def update_rw_setting(self, name: str, update: Any) -> bool:
        found = update("old")
        return (found.value, found.result) == ("[old]", SettingsAction.SKIP_WRITE)

    def handle_rpc(self, command: RPCCommand) -> Handler:
        assert (command.name, command.arg_names[0].named_only) == ("say", True)
        result = command.actor(JSONRPCRequest("1", "say", "hello"), "> ", True)
        assert (result.response, result.result) == ("> hello", True)
        with pytest.raises(HelpResult, match="help for say") as helped:
            command.actor(JSONRPCRequest("1", "say", "", RPCMode.GET_HELP), "", True)
        assert helped.value.message == "help for say"
        with pytest.raises(RPCError) as failed:
            command.actor(JSONRPCRequest("1", "fail", ""), "", True)
        assert failed.value.code == -8
        return Connected()


class HereNode(Node):
    def handle_notify_block_tip(self, callback: Any) -> Handler:
        callback(SynchronizationState.POST_INIT, BlockTip(840_000, GENESIS_TIME, HASH), 1.0)
        return Connected()

    def execute_rpc(self, command: str, params: str, uri: str) -> str:
        if command == "bad":
            raise RPCError('{"code": -32601}')
        return f'"{command}"'

    def base_initialize(self, global_args: GlobalArgs) -> bool:
        settings = global_args.settings
        raise RuntimeError(f"{settings.forced_settings} {settings.ro_config}")

    def is_setting_ignored(self, name: str) -> bool:
        return name == "x"


class HereWallet(Wallet):
    def create_transaction(
        self, recipients: Any, coin_control: CoinControl, sign: bool, change_pos: int | None = None
    ) -> Any:
        control = coin_control
        values = control.lock_time, control.confirm_target, control.version, change_pos
        return Result(error=BilingualStr(" ".join(map(str, values)), ""))

    def list_coins(self) -> dict[TxDestination, dict[OutPoint, WalletTxOut]]:
        output = WalletTxOut(b"", GENESIS_TIME, 1, is_spent=False)
        return {TxDestination(pk_hash=b"k" * 20): {OutPoint(b"a" * 36): output}}


class HereLoader(WalletLoader):
    def start(self, scheduler: None = None) -> None:
        assert scheduler is None

    def create_wallet(self, name: str, passphrase: str, flags: WalletFlags) -> LoadedWallet:
        assert flags is WalletFlags.DESCRIPTORS
        return LoadedWallet([BilingualStr("empty", "leer")], Result(an(HereWallet)))


class HereInit(ProposedInit):
    def make_chain(self) -> Chain:
        found: Chain = an(HereChain)
        return found

    def make_node(self) -> Node:
        found: Node = an(HereNode)
        return found

    def make_wallet_loader(self, global_args: GlobalArgs, chain: Chain) -> WalletLoader:
        assert global_args.config_path == "c"
        assert chain.get_height() == 840_000
        found: WalletLoader = an(HereLoader)
        return found


def test_a_foreign_user_interface(tmp_path: Path) -> None:
    with mpipc.serve(f"unix:{tmp_path}/s", an(HereInit), tracebacks=True):
        Foreign("proposed", str(INCLUDE), f"{tmp_path}/s").output()
