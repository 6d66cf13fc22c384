"""The demo, as `examples/bitcoin/run` runs it: to its end, and in a terminal until Ctrl-C.

With SCREENSHOTS=1 in the environment, its picture in docs/images is made anew.
"""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PATIENCE = 100.0
WIDTH = "110"

pytest.importorskip("btclib_wallet", reason="the wallet needs Python 3.11")
pytestmark = pytest.mark.timeout(150)


def command(datadir: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "examples.bitcoin.demo", f"-datadir={datadir}", *options]


def left(datadir: Path) -> list[str]:
    """Command lines of processes that still use a data directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(datadir) in line and process.parent.name != str(os.getpid()):
            found.append(line)
    return found


def test_it_ends_by_itself_where_there_is_no_terminal(tmp_path: Path) -> None:
    for run in ("first", "again"):  # the second time the wallets are there
        done = subprocess.run(
            command(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, (run, done.stdout, done.stderr)
        assert "Pay 12.50000000 BTC from alice to bob" in done.stdout
        paid = "12.5" if run == "first" else "25.0"
        assert f"bob has {paid}0000000 BTC" in done.stdout
        assert "interfaces: 36 interfaces" in done.stdout
        assert re.search(r"the page is at http://127\.0\.0\.1:\d+/#token=", done.stdout)
        assert "Traceback" not in done.stdout
        assert done.stderr == ""
    assert left(tmp_path) == []
    assert not list(tmp_path.glob("*.sock"))


def test_a_process_that_cannot_start_is_named(tmp_path: Path) -> None:
    (tmp_path / "node.sock").mkdir()
    done = subprocess.run(
        command(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert done.stderr.startswith("demo: the node: it ended with exit status 1: node: ")
    assert left(tmp_path) == []


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(tmp_path, f"-guiport={port}"),
            cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("demo: the gui: it ended with exit status 1: gui: cannot show")
    assert f"port {port}" in done.stderr
    assert left(tmp_path) == []


def picture(output: str) -> None:
    """Make a picture of the last table that a terminal has shown."""
    table = Text.from_ansi(re.findall(r"\x1b\[2m╭[^╭╰]*╰─*╯", output)[-1].replace("\r", ""))
    console = Console(record=True, width=int(WIDTH), file=io.StringIO())
    console.print(table)
    drawn = console.export_svg(title="./examples/bitcoin/run", unique_id="terminal")
    # Fonts would be fetched from elsewhere.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    (ROOT / "docs/images/terminal.svg").write_text(drawn)


class Terminal:
    """The demo in a terminal."""

    def __init__(self, datadir: Path) -> None:
        self._master, slave = pty.openpty()
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": WIDTH, "LINES": "50"}
        self.process = subprocess.Popen(
            command(datadir), cwd=ROOT, stdin=slave, stdout=slave, stderr=slave,
            env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.output = self.shown = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read until something is shown that was not looked at yet."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, self.shown[-5000:]
            try:
                read = os.read(self._master, 1 << 16).decode(errors="replace")
            except OSError:  # it has ended
                raise AssertionError(self.shown[-5000:]) from None
            self.output += read
            self.shown += read
        self.shown = self.shown[found.end() :]
        return found

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        try:
            while os.read(self._master, 1 << 16):
                pass
        except OSError:
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_in_a_terminal_it_goes_on_until_ctrl_c(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("Ctrl-C ends everything")
    terminal.wait_for("height 102 .* bob 12.50000000 BTC")
    assert len(left(tmp_path)) == 5
    pid = int(terminal.wait_for(r"node +(\d+) +.*running")[1])
    os.kill(pid, signal.SIGKILL)
    terminal.wait_for("running again")
    terminal.wait_for("height 102 .* bob 12.50000000 BTC")
    if os.environ.get("SCREENSHOTS"):
        terminal.wait_for("wallet .*connected to the node[^╯]*╯")
        picture(terminal.output)
    assert terminal.interrupt() == 0
    assert left(tmp_path) == []


def test_nothing_is_left_when_it_is_killed(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("Ctrl-C ends everything")
    assert len(left(tmp_path)) == 5
    terminal.process.kill()
    deadline = time.monotonic() + PATIENCE
    while left(tmp_path):
        assert time.monotonic() < deadline, left(tmp_path)
        time.sleep(0.05)


def test_ctrl_c_in_the_middle(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("Start node, index")
    terminal.wait_for("wallet +")
    assert terminal.interrupt() == 130
    assert left(tmp_path) == []
