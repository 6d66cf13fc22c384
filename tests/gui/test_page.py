"""The page with the real node and wallet, in a real browser: as somebody uses it.

With SCREENSHOTS=1 in the environment, the pictures in docs/images are made anew.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.gui.support import PATIENCE, ROOT, Programs

IMAGES = ROOT / "docs/images"
DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)
MATURITY = 100

pytest.importorskip("btclib_wallet", reason="the wallet needs Python 3.11")
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def open_page(programs: Programs, page: Page) -> Page:
    """The page, with all other processes."""
    names = ("node", "wallet", "index")
    for name in names:
        programs.start(name)
    page.goto(programs.start_gui().link)
    for name in names:
        expect(process(page, name)).to_have_text(f"{name} running")
    return page


def picture(page: Page, name: str) -> None:
    if os.environ.get("SCREENSHOTS"):
        IMAGES.mkdir(exist_ok=True)
        expect(page.locator(".toast")).to_have_count(0)
        page.screenshot(path=IMAGES / f"{name}.png")


def accessible(page: Page, *schemes: Literal["light", "dark"]) -> None:
    """axe-core finds nothing wrong, in these colours."""
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways."""
    script = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    return bool(page.evaluate(script))


def button(where: Page | Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


def create_wallet(page: Page, name: str) -> None:
    button(page, "New wallet").click()
    dialog = page.get_by_role("dialog", name="New wallet")
    dialog.get_by_label("Name").fill(name)
    button(dialog, "Create").click()
    expect(dialog).to_be_hidden()
    expect(button(page, name)).to_have_attribute("aria-current", "true")


def mine(page: Page, count: int) -> None:
    """Mine blocks for the wallet that is shown."""
    before = int(page.locator("#height").inner_text().replace(",", ""))
    page.get_by_label("Number of blocks").fill(str(count))
    button(page, "Mine").click()
    expect(page.locator("#height")).to_have_text(str(before + count))


def balance(page: Page) -> Locator:
    return page.locator("#balance")


def process(page: Page, name: str) -> Locator:
    return page.get_by_role("list", name="Processes").get_by_role("listitem").filter(has_text=name)


def test_a_payment_from_one_wallet_to_another(open_page: Page) -> None:
    page = open_page
    expect(page.get_by_text("There is no wallet yet")).to_be_visible()
    create_wallet(page, "savings")
    expect(balance(page)).to_have_text("0.00")
    mine(page, MATURITY + 2)
    expect(balance(page)).to_have_text("100.00")
    expect(page.locator("#payments").get_by_text("Mined").first).to_be_visible()

    create_wallet(page, "shop")
    page.get_by_label("Label").fill("Invoice 17")
    button(page, "New address").click()
    address = page.get_by_role("list", name="Addresses").locator(".address").first.inner_text()
    assert address.startswith("bcrt1q")
    expect(page.get_by_role("list", name="Addresses")).to_contain_text("Invoice 17")

    button(page, "savings").click()
    expect(balance(page)).to_have_text("100.00")
    error = page.locator("#send-error")
    for to, amount, why in [
        ("bcrt1nonsense", "1", "no address of regtest"),
        (address, "a lot", "number of bitcoins"),
        (address, "5000", "nsufficient funds"),
    ]:
        page.get_by_label("To", exact=True).fill(to)
        page.get_by_label("Amount", exact=True).fill(amount)
        button(page, "Review").click()
        expect(error).to_contain_text(why)
    page.get_by_label("Amount", exact=True).fill("12.345")
    button(page, "Review").click()
    dialog = page.get_by_role("dialog", name="Send this payment?")
    expect(dialog.locator("#confirm-address")).to_have_text(address)
    expect(dialog.locator("#confirm-amount")).to_have_text("12.345")
    picture(page, "gui-confirm")
    page.keyboard.press("Escape")  # nothing is sent
    expect(dialog).to_be_hidden()
    expect(page.locator("#mempool-size")).to_have_text("0")
    expect(balance(page)).to_have_text("100.00")

    button(page, "Review").click()
    button(dialog, "Send").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#mempool-size")).to_have_text("1")
    expect(balance(page)).not_to_have_text("100.00")
    sent = page.locator("#payments li").filter(has_text="Sent")
    expect(sent).to_contain_text("\N{MINUS SIGN}12.345")
    expect(sent).to_contain_text("waiting for a block")

    button(page, "shop").click()
    expect(page.locator("#unconfirmed")).to_have_text("+12.345 on its way")
    button(page, "savings").click()
    page.evaluate("document.activeElement.blur()")
    picture(page, "gui-desktop")
    accessible(page, "light", "dark")
    page.set_viewport_size(PHONE)
    assert fits(page)
    accessible(page, "light")
    picture(page, "gui-phone")
    page.set_viewport_size(DESKTOP)

    mine(page, 1)
    expect(sent).to_contain_text("1 confirmation")
    expect(page.locator("#mempool-size")).to_have_text("0")
    button(page, "shop").click()
    expect(balance(page)).to_have_text("12.345")
    received = page.locator("#payments li")
    expect(received).to_contain_text("Received Invoice 17")

    page.locator("#blocks").get_by_role("button").first.click()
    block = page.get_by_role("dialog", name=f"Block {MATURITY + 3}")
    expect(block.locator("#block-transactions > li")).to_have_count(2)
    expect(block).to_contain_text(address)
    accessible(page, "dark")
    picture(page, "gui-block-dark")
    button(block, "Close").click()


def test_a_wallet_that_is_encrypted(open_page: Page) -> None:
    page = open_page
    create_wallet(page, "safe")
    button(page, "Encrypt").click()
    dialog = page.get_by_role("dialog", name="Encrypt the wallet")
    dialog.get_by_label("Passphrase").fill("correct horse")
    dialog.get_by_label("Once more").fill("battery")
    button(dialog, "Encrypt").click()
    expect(dialog.get_by_role("alert")).to_have_text("The two passphrases are not the same")
    dialog.get_by_label("Once more").fill("correct horse")
    button(dialog, "Encrypt").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#lock-state")).to_have_text("locked")

    page.get_by_label("To", exact=True).fill("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
    page.get_by_label("Amount", exact=True).fill("1")
    button(page, "Review").click()
    expect(page.locator("#send-error")).to_contain_text("unlock it first")

    button(page, "Unlock").click()
    dialog = page.get_by_role("dialog", name="Unlock the wallet")
    dialog.get_by_label("Passphrase").fill("wrong")
    button(dialog, "Unlock").click()
    expect(dialog.get_by_role("alert")).to_have_text("The passphrase is wrong")
    dialog.get_by_label("Passphrase").fill("correct horse")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#lock-state")).to_have_text("unlocked")
    button(page, "Lock").click()
    expect(page.locator("#lock-state")).to_have_text("locked")


def test_processes_that_are_killed_and_come_back(programs: Programs, page: Page) -> None:
    site = programs.start_gui()
    page.goto(site.link)
    expect(process(page, "node")).to_have_text("node not running")
    node, wallet = programs.start("node"), programs.start("wallet")
    expect(process(page, "node")).to_have_text("node running")
    expect(process(page, "wallet")).to_have_text("wallet running")
    create_wallet(page, "savings")
    mine(page, 3)

    node.send_signal(signal.SIGKILL)
    expect(process(page, "node")).to_have_text("node not running")
    expect(page.locator("#node-gone")).to_be_visible()
    expect(page.locator("#height")).to_have_text("3")
    button(page, "Mine").click()
    expect(page.locator("#mine .error")).to_have_text("The node is not running")
    accessible(page, "light")
    programs.start("node")
    expect(process(page, "node")).to_have_text("node running")
    expect(page.locator("#node-gone")).to_be_hidden()
    mine(page, 1)

    wallet.send_signal(signal.SIGKILL)
    expect(process(page, "wallet")).to_have_text("wallet not running")
    button(page, "New address").click()
    expect(page.locator("#receive .error")).to_have_text("The wallet process is not running")
    programs.start("wallet")
    expect(process(page, "wallet")).to_have_text("wallet running")
    mine(page, 1)
    expect(page.locator("#immature")).to_contain_text("+250.00")

    site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(PATIENCE) == 0
    expect(page.get_by_role("alert").first).to_contain_text("has ended")


def test_a_rescan_is_shown_and_can_be_stopped(programs: Programs, page: Page) -> None:
    node, _ = programs.start("node"), programs.start("wallet", "-server", "-rpcport=0")
    page.goto(programs.start_gui().link)
    expect(process(page, "wallet")).to_have_text("wallet running")
    expect(process(page, "node")).to_have_text("node running")
    create_wallet(page, "savings")
    mine(page, 150)
    expect(page.locator("#more-payments")).to_have_text("and 100 older ones")

    address = re.search(r"JSON-RPC at (\S+)", programs.said("wallet"))
    assert address is not None
    password = (programs.datadir / "wallet.cookie").read_bytes()
    asked = {"jsonrpc": "2.0", "id": 1, "method": "rescanblockchain", "params": ["savings"]}
    request = urllib.request.Request(address[1], json.dumps(asked).encode())
    request.add_header("Authorization", f"Basic {base64.b64encode(password).decode()}")
    rescan = page.locator("#rescan")
    with ThreadPoolExecutor(1) as executor:
        answer = executor.submit(urllib.request.urlopen, request, timeout=PATIENCE)
        expect(rescan).to_contain_text("Rescanning")
        node.send_signal(signal.SIGSTOP)  # it takes its time now
        try:
            button(rescan, "Stop").click()
            expect(button(rescan, "Stop")).to_be_enabled()
        finally:
            node.send_signal(signal.SIGCONT)
        assert 0 <= json.load(answer.result())["result"] < 150
    expect(rescan).to_be_hidden()


def test_the_keyboard_alone(open_page: Page) -> None:
    page = open_page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the wallets")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(button(page, "New wallet")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="New wallet")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("keys")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(button(page, "keys")).to_be_visible()
    expect(button(page, "New wallet")).to_be_focused()
    button(page, "Mine").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#height")).to_have_text("1")
    expect(page.get_by_role("status")).to_contain_text("Block 1 was added")


def test_two_pages_show_the_same(open_page: Page, programs: Programs) -> None:
    other = open_page.context.new_page()
    other.goto((programs.datadir / "gui.link").read_text().strip())
    create_wallet(open_page, "shared")
    expect(button(other, "shared")).to_be_visible()
    mine(open_page, 2)
    expect(other.locator("#height")).to_have_text("2")
    expect(other.locator("#immature")).to_contain_text("+100.00")


def test_names_are_texts_and_nothing_else(open_page: Page, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>&\"'"
    create_wallet(open_page, name)
    open_page.get_by_label("Label").fill("<b>bold</b>")
    button(open_page, "New address").click()
    expect(open_page.get_by_role("list", name="Addresses")).to_contain_text("<b>bold</b>")
    expect(open_page.locator("main img, main b")).to_have_count(0)


def test_everything_in_one_process(programs: Programs, page: Page) -> None:
    site = programs.start_gui(name="all")
    page.goto(site.link)
    for name in ("node", "wallet", "index"):
        expect(process(page, name)).to_have_text(f"{name} running")
    create_wallet(page, "savings")
    mine(page, 2)
    expect(page.locator("#immature")).to_contain_text("+100.00")
    site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(PATIENCE) == 0
    assert "Traceback" not in programs.said("all")
