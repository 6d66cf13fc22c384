"""pycapnp as a client of the proposed interfaces, on the committed `interfaces/generated/*.capnp`:
`python -m tests.interop.proposed INCLUDE SOCKET`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import capnp

assert not any(name.partition(".")[0] == "mpipc" for name in sys.modules)

GENERATED = Path(__file__).parents[2] / "interfaces" / "generated"
PATIENCE = 30.0

_parser = capnp.SchemaParser()


def load(path: Path) -> Any:
    return _parser.load(str(path), imports=[sys.argv[1]])


proposed: Any = load(GENERATED / "proposed.capnp")
chain: Any = load(GENERATED / "chain.capnp")
node: Any = load(GENERATED / "node.capnp")
proxy: Any = load(Path(sys.argv[1], "mp/proxy.capnp"))


class Thread(proxy.Thread.Server):  # type: ignore[misc]
    async def getName(self, **_: Any) -> str:
        return "pycapnp"


class Notifications(chain.ChainNotifications.Server):  # type: ignore[misc]
    def __init__(self) -> None:
        self.blocks: list[Any] = []

    async def blockConnected(self, role: Any, block: Any, **_: Any) -> None:
        self.blocks.append((role.to_dict(), block.hash, block.height, block.fileNumber))
        assert not block._has("undoData")


class Update(chain.SettingsUpdateCallback.Server):  # type: ignore[misc]
    async def call(self, value: str, _context: Any, **_: Any) -> None:
        results = _context.results
        results.value, results.result, results.hasResult = f"[{value}]", 1, True


class Actor(chain.ActorCallback.Server):  # type: ignore[misc]
    async def call(self, request: Any, response: str, _context: Any, **_: Any) -> None:
        results = _context.results
        if request.mode == 1:
            results.helpResult.message = f"help for {request.method}"
        elif request.method == "fail":
            results.rpcError = '{"code": -8}'
        else:
            results.response, results.result = response + request.params, True


class BlockTipped(node.NotifyBlockTipCallback.Server):  # type: ignore[misc]
    def __init__(self) -> None:
        self.tips: list[Any] = []

    async def call(self, syncState: int, tip: Any, verificationProgress: float, **_: Any) -> None:
        self.tips.append((syncState, tip.blockHeight, tip.blockTime, verificationProgress))


def named(request: Any, name: str) -> Any:
    """pycapnp itself has a parameter of this name."""
    request.name = name
    return request


async def use_chain(interface: Any, context: Any) -> None:
    height = await interface.getHeight(context=context)
    assert (height.result, height.hasResult) == (840_000, True)
    assert not (await interface.getPruneHeight(context=context)).hasResult

    asked = {"wantTime": True, "nextBlock": {"wantHash": True}}
    found = await interface.findBlock(context=context, hash=b"\1" * 32, block=asked)
    assert found.result and found.block.time == 1_231_006_505
    assert found.block.nextBlock.hash == b"\2" * 32
    assert not found.block._has("hash")

    coins = [{"key": b"a" * 36, "value": b""}, {"key": b"b" * 36, "value": b""}]
    answer = await interface.findCoins(context=context, coins=coins)
    assert [(each.key, each.value) for each in answer.coins] == [
        (b"a" * 36, b"coin 0"),
        (b"b" * 36, b"coin 1"),
    ]
    fees = await interface.calculateIndividualBumpFees(
        context=context, outpoints=[b"a" * 36], targetFeerate=b"fast"
    )
    assert [(each.key, each.value) for each in fees.result] == [(b"a" * 36, -7)]
    limits = await interface.checkChainLimits(context=context, tx=b"")
    assert limits.result.error.original == "too long"

    notifications = Notifications()
    handler = (
        await interface.handleNotifications(context=context, notifications=notifications)
    ).result
    role = {"validated": True, "historical": False}
    assert notifications.blocks == [(role, b"\1" * 32, 5, -1)]
    await handler.disconnect(context=context)

    updated = named(interface.updateRwSetting_request(context=context, update=Update()), "a")
    assert (await updated.send()).result
    command = {"category": "test", "name": "say", "actor": Actor(), "uniqueId": 3}
    command["argNames"] = [{"name": "text", "namedOnly": True}]
    assert (await interface.handleRpc(context=context, command=command)).result


async def use_node(interface: Any, context: Any) -> None:
    tipped = BlockTipped()
    await interface.handleNotifyBlockTip(context=context, callback=tipped)
    assert tipped.tips == [(2, 840_000, 1_231_006_505, 1.0)]
    good = await interface.executeRpc(context=context, command="good", params="[]", uri="")
    assert good.result == '"good"' and not good._has("rpcError") and not good._has("error")
    bad = await interface.executeRpc(context=context, command="bad", params="[]", uri="")
    assert bad.rpcError == '{"code": -32601}' and not bad._has("result")
    settings: Any = {"forcedSettings": [{"key": "a", "value": "1"}]}
    settings["roConfig"] = [{"key": "main", "value": [{"key": "b", "value": ["2", "3"]}]}]
    arguments = {"settings": settings, "configPath": "bitcoin.conf"}
    failed = await interface.baseInitialize(context=context, globalArgs=arguments)
    assert failed.error == "{'a': '1'} {'main': {'b': ['2', '3']}}"
    assert (await named(interface.isSettingIgnored_request(), "x").send()).result


async def use_wallets(loader: Any, context: Any) -> None:
    await loader.start(context=context)
    request = loader.createWallet_request(context=context, passphrase="", flags=1 << 34)
    made = await named(request, "w").send()
    assert [each.original for each in made.warning] == ["empty"]
    assert not made.result._has("error")
    found = made.result.value
    control = {"hasLockTime": 1, "lockTime": 7, "hasConfirmTarget": True, "confirmTarget": 6}
    created = await found.createTransaction(
        context=context, recipients=[{"amount": 5}], coinControl=control, sign=True
    )
    assert created.result.error.original == "7 6 None None"
    (pair,) = (await found.listCoins(context=context)).result
    assert pair.key.pkHash == b"k" * 20
    assert [(each.key, each.value.time) for each in pair.value] == [(b"a" * 36, 1_231_006_505)]
    await found.destroy(context=context)


async def talk(root: Any) -> None:
    thread_map = (await root.construct()).threadMap
    context = {
        "thread": (await thread_map.makeThread("gui")).result,
        "callbackThread": Thread(),
    }
    interface = (await root.makeChain(context=context)).result
    await use_chain(interface, context)
    await use_node((await root.makeNode(context=context)).result, context)
    loader = await root.makeWalletLoader(
        context=context, globalArgs={"configPath": "c"}, chain=interface
    )
    await use_wallets(loader.result, context)


async def main() -> None:
    stream = await capnp.AsyncIoStream.create_unix_connection(sys.argv[2])
    client = capnp.TwoPartyClient(stream)
    await asyncio.wait_for(talk(client.bootstrap().cast_as(proposed.ProposedInit)), PATIENCE)


if __name__ == "__main__":
    asyncio.run(capnp.run(main()))
