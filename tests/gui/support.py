"""Processes of the example in a data directory, and requests to the page."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
# As long as a test waits for something that a slow machine may take a while for.
PATIENCE = 30.0


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives, once it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:g} s"
        time.sleep(0.02)
    return found


class Programs:
    """Processes of the example that share a data directory. What they print goes to files there."""

    def __init__(self, datadir: Path) -> None:
        self.datadir = datadir
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        with (self.datadir / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"examples.bitcoin.{name}", f"-datadir={self.datadir}",
                 *options],
                cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._running.append(process)
        return process

    def said(self, name: str) -> str:
        return (self.datadir / f"{name}.log").read_text()

    def start_gui(self, *options: str, name: str = "gui") -> Site:
        """The page, once it can be opened; of the program called `name`."""
        file = self.datadir / "gui.link"
        file.unlink(missing_ok=True)
        process = self.start(name, *options)
        eventually(lambda: file.exists() or process.poll() is not None, "the page")
        assert process.poll() is None, self.said(name)
        return Site(file.read_text().strip(), process)

    def stop(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()


class Site:
    """The page: its link, and requests that a script could make."""

    def __init__(self, link: str, process: subprocess.Popen[bytes]) -> None:
        self.link = link
        self.process = process
        self.address, _, self.token = link.partition("/#token=")

    def open(self, path: str, *, body: object = None, **headers: str) -> Answer:
        """The answer to a request; with the token, unless `authorization` is something else."""
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, sent)
        try:
            response = urllib.request.urlopen(request, timeout=PATIENCE)
            return Answer(response.status, response.headers, response)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error)

    def error(self, path: str, *, body: object = None, **headers: str) -> tuple[int, str]:
        """The status and the text of a request that is refused."""
        with self.open(path, body=body, **headers) as answer:
            return answer.status, json.load(answer.stream)["error"]


class Answer:
    def __init__(self, status: int, headers: Message, stream: IO[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.stream = stream

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
