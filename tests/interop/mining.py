"""pycapnp on the committed `interfaces/generated/*.capnp`, as client and as server:
`python -m tests.interop.mining INCLUDE SOCKET client|server`.
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


init: Any = load(GENERATED / "init.capnp")
echo: Any = load(GENERATED / "echo.capnp")
mining: Any = load(GENERATED / "mining.capnp")
proxy: Any = load(Path(sys.argv[1], "mp/proxy.capnp"))

FOREVER = sys.float_info.max


class Thread(proxy.Thread.Server):  # type: ignore[misc]
    async def getName(self, **_: Any) -> str:
        return "pycapnp"


async def talk(root: Any) -> None:
    """As a miner would, in the manner of libmultiprocess's clients and without its threads."""
    thread_map = (await root.construct()).threadMap
    context = {
        "thread": (await thread_map.makeThread("miner")).result,
        "callbackThread": Thread(),
    }
    assert (await root.makeEcho(context=context).result.echo(echo="hello")).result == "hello"

    template = root.makeMining(context=context).result.createNewBlock(
        options={"useMempool": True, "blockReservedWeight": 8000}
    )
    assert len((await template.result.getBlockHeader(context=context)).result) == 80
    block = (await template.result.getBlock(context=context)).result
    assert list((await template.result.getTxFees(context=context)).result) == [1, -1, 2**63 - 1]
    assert (await template.result.getWitnessCommitmentIndex(context=context)).result == -1
    path = (await template.result.getCoinbaseMerklePath(context=context)).result
    assert list(path) == [b"\1" * 32, b"\2" * 32]

    interface = (await root.makeMining(context=context)).result
    tip = await interface.getTip(context=context)
    assert tip.hasResult and (tip.result.hash, tip.result.height) == (b"\7" * 32, 840_000)
    changed = await interface.waitTipChanged(context=context, currentTip=b"", timeout=FOREVER)
    assert changed.result.height == 840_001
    checked = await interface.checkBlock(block=block, options={"checkPow": True})
    assert (checked.result, checked.reason, checked.debug) == (False, "high-hash", "proof of work")

    none = await template.result.waitNext(context=context, options={"timeout": 0.0})
    assert not none._has("result")
    better = await template.result.waitNext(
        context=context, options={"timeout": FOREVER, "feeThreshold": 5}
    )
    solved = await better.result.submitSolution(
        context=context, version=1, timestamp=2, nonce=2**32 - 1, coinbase=b"coinbase"
    )
    assert solved.result
    await better.result.destroy(context=context)


class Echo(echo.Echo.Server):  # type: ignore[misc]
    async def echo(self, echo: str, **_: Any) -> str:
        return echo


class Template(mining.BlockTemplate.Server):  # type: ignore[misc]
    destroyed = 0

    async def destroy(self, **_: Any) -> None:
        Template.destroyed += 1

    async def getTxFees(self, **_: Any) -> list[int]:
        return [1, -1, 2**63 - 1]

    async def getCoinbaseMerklePath(self, **_: Any) -> list[bytes]:
        return [b"\1" * 32, b"\2" * 32]

    async def submitSolution(
        self, version: int, timestamp: int, nonce: int, coinbase: bytes, **_: Any
    ) -> bool:
        return (version, timestamp, nonce, coinbase) == (1, 2, 2**32 - 1, b"coinbase")

    async def waitNext(self, options: Any, **_: Any) -> Any:
        return Template() if options.timeout == FOREVER else None

    async def getWitnessCommitmentIndex(self, **_: Any) -> int:
        """How many were destroyed, below zero."""
        return -Template.destroyed


class Mining(mining.Mining.Server):  # type: ignore[misc]
    async def isTestChain(self, **_: Any) -> bool:
        return True

    async def getTip(self, _context: Any, **_: Any) -> None:
        _context.results.hasResult = True
        _context.results.result = {"hash": b"\7" * 32, "height": 840_000}

    async def waitTipChanged(self, currentTip: bytes, timeout: float, **_: Any) -> Any:
        if timeout == FOREVER:
            return {"hash": currentTip, "height": -1}
        return None

    async def createNewBlock(self, options: Any, **_: Any) -> Any:
        assert options.to_dict() == {
            "useMempool": True,
            "blockReservedWeight": 8000,
            "coinbaseOutputMaxAdditionalSigops": 400,
        }
        return Template()

    async def checkBlock(self, options: Any, **_: Any) -> tuple[str, str, bool]:
        assert options.checkPow and not options.checkMerkleRoot
        return "high-hash", "proof of work", False


class Init(init.Init.Server):  # type: ignore[misc]
    async def construct(self, **_: Any) -> None:
        return None

    async def makeEcho(self, **_: Any) -> Echo:
        return Echo()

    async def makeMining(self, **_: Any) -> Mining:
        return Mining()


async def serve(stream: Any) -> None:
    await capnp.TwoPartyServer(stream, bootstrap=Init()).on_disconnect()


async def main() -> None:
    _, _, path, role = sys.argv
    if role == "client":
        stream = await capnp.AsyncIoStream.create_unix_connection(path)
        client = capnp.TwoPartyClient(stream)
        await asyncio.wait_for(talk(client.bootstrap().cast_as(init.Init)), PATIENCE)
        return
    server = await capnp.AsyncIoStream.create_unix_server(serve, path)
    print("ready", flush=True)
    async with server:
        await asyncio.wait_for(server.serve_forever(), 2 * PATIENCE)


if __name__ == "__main__":
    asyncio.run(capnp.run(main()))
