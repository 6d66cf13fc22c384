"""Packages of declarations that change from one version to the next."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from mpipc.cli import main
from mpipc.derive import derive
from mpipc.model import Model
from mpipc.schema import committed_lock, module_text

HEADER = """
from __future__ import annotations
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Annotated, Final
import enum
import msgspec
import mpipc
from mpipc import Field, Int8, Int16, Int32, UInt32
"""


class Package:
    """The package `demo` below a directory, imported anew after each change."""

    def __init__(self, root: Path, name: str = "demo") -> None:
        self.name = name
        self.directory = root / name
        self.directory.mkdir()
        (self.directory / "__init__.py").touch()

    def write(self, text: str, module: str = "chain") -> None:
        """Declare a module, with the imports that declarations need."""
        (self.directory / f"{module}.py").write_text(HEADER + textwrap.dedent(text))
        self.forget()

    def build(self, *options: str) -> int:
        self.forget()
        return main(["build", self.name, *options])

    def model(self, module: str = "chain") -> Model:
        """What is declared now, with the ordinals of what was built."""
        self.forget()
        importlib.import_module(f"{self.name}.{module}")
        return derive([f"{self.name}.{module}"], committed_lock)

    def declared(self, module: str = "chain") -> str:
        """The schema that the next build would write."""
        return module_text(self.model(module), f"{self.name}.{module}")

    def schema(self, module: str = "chain") -> str:
        """The committed schema."""
        return self.path(module).read_text()

    def path(self, module: str = "chain") -> Path:
        return self.directory / "generated" / f"{module}.capnp"

    def files(self) -> dict[str, bytes]:
        """What was built."""
        generated = self.directory / "generated"
        return {path.name: path.read_bytes() for path in generated.glob("*.*")}

    def drop_generated(self) -> None:
        shutil.rmtree(self.directory / "generated")

    def forget(self) -> None:
        """As in a new process."""
        importlib.invalidate_caches()
        for name in list(sys.modules):
            if name.split(".")[0] == self.name:
                del sys.modules[name]


def members(schema: str, scope: str) -> list[str]:
    """The lines of a scope in a schema file, without comments, single-spaced."""
    lines = iter(schema.splitlines())
    for line in lines:
        if line.split()[1:2] == [scope]:
            break
    found: list[str] = []
    for line in lines:
        if line == "}":
            return found
        if line.strip() and not line.strip().startswith("#"):
            found.append(" ".join(line.split()))
    raise AssertionError(f"no {scope} in\n{schema}")


def git(directory: Path, *arguments: str) -> str:
    """Run git, as somebody, without anybody's configuration."""
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        **{f"GIT_{who}_NAME": "Somebody" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "somebody@example.org" for who in ("AUTHOR", "COMMITTER")},
    }
    run = subprocess.run(
        ["git", *arguments], cwd=directory, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def commit(directory: Path) -> None:
    """Commit everything in a repository, which is made when there is none."""
    if not (directory / ".git").exists():
        git(directory, "init", "-q")
    git(directory, "add", "--all", ".")
    git(directory, "commit", "-q", "--allow-empty", "-m", "a version")
