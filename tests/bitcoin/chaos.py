"""Payments between two wallets, and blocks, while processes are killed at random moments.

    python -m tests.bitcoin.chaos DIRECTORY [--blocks N] [--payments N] [--seed N]

Everything that is asked for is asked for again until there is an answer, with the same payment id.
At the end nothing may be missing and nothing doubled; `Story.check` says how that is counted.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from examples.bitcoin.common.bitcoin import parse_block, txid_of
from examples.bitcoin.common.destinations import script_at
from tests.bitcoin import recount
from tests.bitcoin.rpc import Rpc, RpcError, Unreachable
from tests.bitcoin.support import Program

PROCESSES = ("node", "wallet", "gui")
WALLETS = ("alice", "bob")
MATURITY = 100
PATIENCE = 120.0
"""Seconds after which something that does not happen is an error."""


class Supervisor:
    """Keeps the processes running, and kills one of them again and again."""

    def __init__(self, directory: Path, seed: int, pause: float, most: int) -> None:
        self._directory, self._pause, self._most = directory, pause, most
        self._random = random.Random(seed)
        self._programs: dict[str, Program] = {}
        self._calm = threading.Event()
        self._killer = threading.Thread(target=self._kill_now_and_then, name="killer")
        self._failure: BaseException | None = None
        self.kills: Counter[str] = Counter()
        self.datadir = directory / "data"
        for name in PROCESSES:
            self._start(name)

    def rpc(self, name: str) -> Rpc:
        """A client of what runs at the moment."""
        return Rpc(name, self._programs[name].log, self.datadir)

    def page_events(self) -> Iterator[tuple[str, Any]]:
        """What the page is told: topics, and what they show."""
        self._wait_until_started("gui")
        link = (self.datadir / "gui.link").read_text().strip()
        address, _, token = link.partition("#token=")
        request = urllib.request.Request(f"{address}api/events")
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=PATIENCE) as stream:
            topic = ""
            for line in stream:
                kind, _, data = line.decode().partition(": ")
                if kind == "event":
                    topic = json.loads(data)
                elif kind == "data":
                    yield topic, json.loads(data)

    def _start(self, name: str) -> None:
        number = self.kills[name]
        options = [] if name == "gui" else ["-server", "-rpcport=0"]
        self._programs[name] = Program(
            name, self._directory / f"{name}-{number}.log", f"-datadir={self.datadir}", *options
        )

    def _wait_until_started(self, name: str) -> None:
        program, deadline = self._programs[name], time.monotonic() + PATIENCE
        while "http://" not in program.output:
            assert program.process.poll() is None, f"{name} has ended: {program.output}"
            assert time.monotonic() < deadline, f"{name} does not start: {program.output}"
            time.sleep(0.05)

    def check(self) -> None:
        """Raises what went wrong with a process by itself, if anything did."""
        if self._failure is not None:
            raise self._failure

    def begin(self) -> None:
        """Kill processes from now on."""
        self._killer.start()

    def end(self) -> None:
        """Kill no more. Raises what went wrong with a process by itself."""
        self._calm.set()
        self._killer.join()
        self.check()

    def stop(self) -> None:
        """End all processes."""
        self._calm.set()
        for program in self._programs.values():
            program.stop()

    def _kill_now_and_then(self) -> None:
        try:
            while not self._calm.is_set() and self.kills.total() < self._most:
                name = self._random.choice(PROCESSES)
                program = self._programs[name]
                self._wait_until_started(name)
                if self._calm.wait(self._random.uniform(0, self._pause)):
                    return
                assert program.process.poll() is None, f"{name} has ended: {program.output}"
                program.process.kill()
                program.process.wait()
                self.kills[name] += 1
                self._start(name)
        except BaseException as error:
            self._failure = error


class Story:
    """What happens, and what must be true at the end."""

    def __init__(self, supervisor: Supervisor, blocks: int, payments: int, seed: int) -> None:
        self._supervisor = supervisor
        self._blocks, self._payments = blocks, payments
        self._random = random.Random(seed)
        self.mined: list[str] = []
        self.paid: dict[str, tuple[str, str, int]] = {}
        """By payment id: the transaction, the address and the amount."""
        self.asked_again = 0

    def node(self, method: str, *params: object) -> Any:
        return self._insist("node", method, *params)

    def wallet(self, method: str, *params: object) -> Any:
        return self._insist("wallet", method, *params)

    def _insist(self, process: str, method: str, *params: object) -> Any:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._supervisor.rpc(process).call(method, *params)
            except Unreachable:
                pass
            except RpcError as error:
                # What it has is not there while a node forgets and learns again.
                if error.code not in (-4, -6, -18):
                    raise
                if time.monotonic() > deadline - PATIENCE / 2:
                    raise
            assert time.monotonic() < deadline, f"{process} does not answer {method}{params}"
            self._supervisor.check()
            self.asked_again += 1
            time.sleep(0.05)

    def prepare(self) -> None:
        """Two wallets with coins."""
        for name in WALLETS:
            self.wallet("createwallet", name)
            for _ in range(3):
                self._mine(self.wallet("getnewaddress", name))
        while self.node("getblockcount") < len(WALLETS) * 3 + MATURITY:
            self._mine("bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202")

    def run(self) -> None:
        """Blocks and payments in any order."""
        steps: list[Callable[[], None]] = [self._block] * self._blocks
        steps += [self._pay] * self._payments
        self._random.shuffle(steps)
        for step in steps:
            step()

    def _block(self) -> None:
        self._mine(self.wallet("getnewaddress", self._random.choice(WALLETS)))

    def _mine(self, address: str) -> None:
        # When the answer does not come, a block may have been mined all the same.
        self.mined += self.node("generatetoaddress", 1, address)

    def _pay(self) -> None:
        payer, payee = self._random.sample(WALLETS, 2)
        address = self.wallet("getnewaddress", payee)
        id, amount = f"payment {len(self.paid)}", self._random.randint(10_000, 2_0000_0000)
        self.paid[id] = self.wallet("send", payer, id, address, amount), address, amount

    def check(self) -> None:
        """Count everything again."""
        self._settle()
        node = self._supervisor.rpc("node")
        chain = {node.getblockhash(height) for height in range(node.getblockcount() + 1)}
        assert chain >= set(self.mined), "a block is gone that the node had told of"
        coins = recount.unspent(node)
        assert sum(coin.value for coin in coins.values()) == recount.issued(node)
        self._check_payments(node)
        wallet, every = self._supervisor.rpc("wallet"), {}
        for name in WALLETS:
            scripts = recount.scripts_of(wallet, name, self._supervisor.datadir / f"copy-{name}")
            held = every[name] = wallet.getbalances(name)
            assert held["unconfirmed"] == held["outsideMempool"] == 0, held
            counted = recount.total(coins.values(), scripts)
            assert held["balance"] + held["immature"] == counted, (name, held, counted)
        self._check_page(node, every)

    def _settle(self) -> None:
        """Mine until every payment is in a block, and every process knows."""
        deadline = time.monotonic() + PATIENCE
        while True:
            waiting = [
                entry
                for name in WALLETS
                for entry in self.wallet("listtransactions", name)
                if entry["confirmations"] == 0 and not entry["isCoinbase"]
            ]
            infos = [self.wallet("getwalletinfo", name) for name in WALLETS]
            tip = self.node("getbestblockhash")
            if not waiting and all(i["isSynced"] and i["block"] == tip for i in infos):
                return
            assert time.monotonic() < deadline, (len(waiting), infos, tip)
            if waiting and all(entry["inMempool"] for entry in waiting):
                self._block()
            time.sleep(0.05)

    def _check_payments(self, node: Rpc) -> None:
        """Each was made once: one output to its address, of its amount, in its transaction."""
        found: dict[bytes, list[tuple[str, int]]] = {}
        for height in range(1, node.getblockcount() + 1):
            data = bytes.fromhex(node.getrawblock(node.getblockhash(height)))
            for tx in parse_block(data).transactions:
                for tx_out in tx.vout:
                    made = found.setdefault(tx_out.script_pub_key.script, [])
                    made.append((str(txid_of(tx)), tx_out.value))
        assert len(self.paid) == self._payments
        for id, (txid, address, amount) in self.paid.items():
            assert found.get(script_at(address)) == [(txid, amount)], id

    def _check_page(self, node: Rpc, held: dict[str, Any]) -> None:
        """The page has come back by itself, too, and shows the same."""
        height, right = node.getblockcount(), set[str]()
        deadline = time.monotonic() + PATIENCE
        for topic, shown in self._supervisor.page_events():
            if topic == "chain" and shown["height"] == height:
                right.add(topic)
            elif topic.startswith("wallet:") and shown is not None:
                name, there = topic.partition(":")[2], shown["balances"]
                seen = there["balance"], there["immature_balance"]
                if seen == (held[name]["balance"], held[name]["immature"]):
                    right.add(topic)
            if right == {"chain", *(f"wallet:{name}" for name in WALLETS)}:
                return
            assert time.monotonic() < deadline, (right, shown)


def run(
    directory: Path,
    *,
    blocks: int,
    payments: int,
    seed: int,
    pause: float = 4,
    most: int = 1_000_000,
) -> dict[str, Any]:
    """Run a story and check it. At most so many processes are killed; `pause` is the longest time
    that one of them has before that, in seconds. Returns what there is to say about it."""
    began = time.monotonic()
    supervisor = Supervisor(directory, seed, pause, most)
    story = Story(supervisor, blocks, payments, seed)
    try:
        story.prepare()
        supervisor.begin()
        story.run()
        supervisor.end()
        story.check()
    finally:
        supervisor.stop()
    return {
        "seed": seed,
        "blocks": blocks,
        "payments": payments,
        "kills": dict(supervisor.kills),
        "asked_again": story.asked_again,
        "seconds": round(time.monotonic() - began),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--payments", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    directory = options.directory or Path(tempfile.mkdtemp())
    directory.mkdir(parents=True, exist_ok=True)
    found = run(directory, blocks=options.blocks, payments=options.payments, seed=options.seed)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
