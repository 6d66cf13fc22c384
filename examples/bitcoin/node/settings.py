"""The settings of a node: its command line, and settings.json."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import msgspec

from examples.bitcoin.common.failures import Failure
from interfaces.values import Json


class Settings:
    """Settings by name. What the command line says goes before settings.json, and what the program
    itself has set before both."""

    def __init__(self, datadir: Path, command_line: dict[str, Any]) -> None:
        self._path = datadir / "settings.json"
        self._lock = threading.Lock()
        self._command_line = {
            name: [str(each) if isinstance(each, Path) else each for each in _listed(value)]
            for name, value in command_line.items()
            if value is not None
        }
        self._forced: dict[str, Any] = {}
        self._stored: dict[str, Any] = {}
        try:
            if self._path.exists():
                self._stored = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError) as error:
            raise Failure(f"cannot use {self._path}: {error}") from None

    def get(self, name: str) -> Json:
        """A setting, `null` where it is not set."""
        found = self.values(name)
        return found[0] if found else "null"

    def values(self, name: str) -> list[Json]:
        """All values of a setting, those that count more first."""
        with self._lock:
            found = [self._forced[name]] if name in self._forced else []
            found += self._command_line.get(name, [])
            stored = self._stored.get(name)
            found += [] if stored is None else _listed(stored)
        return [_text(value) for value in found]

    def stored(self, name: str) -> Json:
        """A setting in settings.json."""
        with self._lock:
            return _text(self._stored.get(name))

    def is_on_command_line(self, name: str) -> bool:
        return name in self._command_line

    def force(self, name: str, value: Json) -> None:
        """Set something against all other settings, until the node ends."""
        with self._lock:
            self._forced[name] = _value(value)

    def store(self, name: str, value: Json, *, write: bool = True) -> None:
        """Change a setting in settings.json; `null` removes it. Raises ValueError, OSError."""
        found = _value(value)
        with self._lock:
            if found is None:
                self._stored.pop(name, None)
            else:
                self._stored[name] = found
            if write:
                self._write()

    def reset(self) -> None:
        """Empty settings.json, and keep the old one as settings.json.bak."""
        with self._lock:
            if self._path.exists():
                os.replace(self._path, self._path.with_name("settings.json.bak"))
            self._stored = {}
            self._write()

    def _write(self) -> None:
        temporary = self._path.with_name("settings.json.tmp")
        with temporary.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self._stored), indent=4))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> Json:
    return msgspec.json.encode(value).decode()


def _value(text: Json) -> Any:
    """Raises msgspec.DecodeError, a ValueError, for what is no JSON."""
    return msgspec.json.decode(text)
