"""The page's process without any other: who may use it, and what it says."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.gui.support import PATIENCE, Programs, Site, eventually


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page, for all tests of the module, which leave it as they found it."""
    programs = Programs(tmp_path_factory.mktemp("alone"))
    yield programs.start_gui()
    programs.stop()


def test_the_files_are_for_everybody_and_hold_no_secret(site: Site) -> None:
    with site.open("/", authorization="") as answer:
        assert answer.status == 200
        assert site.token not in answer.stream.read().decode()
        policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
    for name in ("app.js", "style.css", "icon.svg"):
        with site.open(f"/static/{name}", authorization="") as answer:
            assert answer.status == 200
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_all_that_the_page_loads_comes_from_the_page(site: Site) -> None:
    static = Path(__file__).parents[2] / "examples/bitcoin/gui/static"
    for file in static.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text, file


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", "Basic wrong"])
@pytest.mark.parametrize("path", ["/api/events", "/api/blocks/00", "/api/mine"])
def test_data_needs_the_token(site: Site, path: str, given: str) -> None:
    status, text = site.error(path, authorization=given)
    assert (status, "Open the link" in text) == (401, True)


def test_another_name_for_the_address_leads_nowhere(site: Site) -> None:
    """As a page would make one, to be let in as this one (DNS rebinding)."""
    with site.open("/", host="evil.example") as answer:
        assert answer.status == 400
    with site.open("/api/events", host="evil.example:80") as answer:
        assert answer.status == 400


def test_other_pages_have_no_business_here(site: Site) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        status, _ = site.error("/api/lock", body={"wallet": "a"}, origin=origin)
        assert status == 403
    status, _ = site.error("/api/lock", body={"wallet": "a"}, origin=site.address)
    assert status == 503  # it is let in, but there is no wallet


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"no JSON", 400),
        ({}, 400),
        ({"wallet": 5}, 400),
        ({"wallet": "a", "count": 0}, 400),
        ({"wallet": "a", "count": 1, "more": 1}, 400),
        (b"[" * 100_000, 413),
        (b"[" * 50_000, 400),
        ({"wallet": "a"}, 503),
    ],
)
def test_requests_that_make_no_sense_are_refused(site: Site, body: object, status: int) -> None:
    found, text = site.error("/api/mine", body=body)
    assert (found, bool(text)) == (status, True)


def test_only_json_is_taken(site: Site) -> None:
    assert site.error("/api/mine", body=b"a=b", content_type="text/plain")[0] == 415
    assert site.error("/api/mine")[0] == 405
    assert site.error("/api/nothing")[0] == 404


def test_only_so_many_pages_can_be_open(site: Site) -> None:
    streams = [site.open("/api/events") for _ in range(32)]
    try:
        assert all(stream.status == 200 for stream in streams)
        for stream in streams:  # each has begun
            assert stream.stream.readline() == b'event: "processes"\n'
        assert site.error("/api/events") == (429, "Too many pages are open")
    finally:
        for stream in streams:
            stream.stream.close()

    def another_can_be_opened() -> bool:
        with site.open("/api/events") as answer:
            return answer.status == 200

    eventually(another_can_be_opened, "a place for another page")


def test_events_tell_which_processes_are_there(site: Site) -> None:
    with site.open("/api/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.stream.readline() == b'event: "processes"\n'
        processes = json.loads(answer.stream.readline().removeprefix(b"data: "))
    assert [(each["name"], each["up"]) for each in processes] == [
        ("node", False),
        ("wallet", False),
        ("index", False),
    ]


def test_it_ends_in_order(programs: Programs) -> None:
    site = programs.start_gui()
    file = programs.datadir / "gui.link"
    assert file.stat().st_mode & 0o777 == 0o600
    with site.open("/api/events"):  # somebody is still looking
        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(PATIENCE) == 0
    assert not file.exists()
    assert "Traceback" not in programs.said("gui")


def test_a_port_that_is_taken_is_named(programs: Programs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = programs.start("gui", f"-guiport={port}")
        assert process.wait(PATIENCE) == 1
    assert f"gui: cannot show the page on port {port}" in programs.said("gui")


def test_a_page_without_processes_says_so(site: Site, page: Page) -> None:
    page.goto(site.link)
    processes = page.get_by_role("list", name="Processes")
    said = ["node not running", "wallet not running", "index not running"]
    expect(processes.get_by_role("listitem")).to_have_text(said)
    expect(page.get_by_text("The wallet process is not running yet")).to_be_visible()
    assert "token" not in page.url
    page.get_by_role("button", name="New wallet").click()
    dialog = page.get_by_role("dialog", name="New wallet")
    dialog.get_by_label("Name").fill("a")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_role("alert")).to_have_text("The wallet process is not running")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_page_without_the_token_asks_for_the_link(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/#token=wrong")
    expect(page.get_by_role("alert").first).to_contain_text("Open the link")
