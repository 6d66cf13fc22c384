"""What the page's process asks of node and wallet: what has changed, and not everything again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gui.support import Programs, Site, eventually

pytest.importorskip("btclib_wallet", reason="the wallet needs Python 3.11")

BLOCKS = 60
SHOWN = 50


class Viewer:
    """Somebody who looks at the page, without a browser: the newest event of each topic."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.shown: dict[str, Any] = {}
        self._answer = site.open("/api/events")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        topic = ""
        try:
            for line in self._answer.stream:
                if line.startswith(b"event: "):
                    topic = json.loads(line[7:])
                elif line.startswith(b"data: "):
                    self.shown[topic] = json.loads(line[6:])
        except OSError:
            pass  # the page has ended

    def do(self, action: str, **what: object) -> Any:
        """Do what a button does."""
        with self._site.open(f"/api/{action}", body=what) as answer:
            found = json.load(answer.stream)
            assert answer.status == 200, found
        return found

    def until(self, topic: str, what: str, **values: object) -> Any:
        """What a topic shows, once it shows these values."""

        def there() -> Any:
            found = self.shown.get(topic)
            if found and all(found[name] == value for name, value in values.items()):
                return found
            return None

        return eventually(there, what)

    def is_up(self, *names: str) -> bool:
        return {*names} <= {each["name"] for each in self.shown.get("processes", ()) if each["up"]}

    def close(self) -> None:
        self._site.process.terminate()
        self._site.process.wait()
        self._reader.join()
        self._answer.stream.close()


@pytest.fixture
def viewer(programs: Programs) -> Iterator[Viewer]:
    programs.start("node", "-debug=ipc")
    programs.start("wallet", "-debug=ipc")
    viewer = Viewer(programs.start_gui())
    eventually(lambda: viewer.is_up("node", "wallet"), "node and wallet")
    eventually(lambda: "wallets" in viewer.shown, "the wallets")
    yield viewer
    viewer.close()


@pytest.mark.timeout(150)
def test_only_what_has_changed_is_asked_for(viewer: Viewer, programs: Programs) -> None:
    viewer.do("create-wallet", name="savings")
    viewer.until("wallet:savings", "a wallet", more=0, payments=[])
    for number in range(2):
        viewer.do("mine", wallet="savings", count=BLOCKS)
        shown = viewer.until("wallet:savings", "blocks", more=(number + 1) * BLOCKS - SHOWN)
        heights = [each["height"] for each in shown["payments"]]
        assert heights == [*range((number + 1) * BLOCKS, (number + 1) * BLOCKS - SHOWN, -1)]
    viewer.do("create-wallet", name="shop")
    viewer.until("wallet:shop", "another wallet", addresses=[])
    own = viewer.do("new-address", wallet="shop", label="Invoice 17")["address"]
    for number in range(3):
        made = viewer.do("prepare-payment", wallet="savings", address=own, amount="1.5")
        viewer.do("send-payment", wallet="savings", id=made["id"])
        viewer.until("mempool", "the mempool", size=number + 1)
    eventually(lambda: len(viewer.shown["wallet:shop"]["payments"]) == 3, "what was paid")
    viewer.do("mine", wallet="savings", count=1)

    def confirmed() -> bool:
        return {each["state"] for each in viewer.shown["wallet:shop"]["payments"]} == {"confirmed"}

    eventually(confirmed, "the block that confirms it")
    shop = viewer.until("wallet:shop", "the label", more=0)
    assert shop["addresses"] == [{"address": own, "label": "Invoice 17"}]
    assert {each["label"] for each in shop["payments"]} == {"Invoice 17"}
    assert [each["amount"] for each in shop["payments"]] == [150_000_000] * 3
    savings = viewer.until("wallet:savings", "all", more=2 * BLOCKS + 1 + 3 - SHOWN)
    paid = [each for each in savings["payments"] if each["amount"] < 0]
    assert [each["addresses"] for each in paid] == [[own]] * 3
    assert viewer.until("mempool", "the mempool", size=0)["transactions"] == []

    said = programs.said("wallet")
    assert said.count("Wallet.get_wallet_txs(") == 2  # once of each wallet
    assert said.count("Wallet.get_addresses(") <= 2 + 3  # and where to mine for
