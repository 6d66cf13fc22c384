"""What it takes until the first call is answered, in fresh interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.contestant import Running
from benchmarks.contestants.with_mpipc import Client

_ROOT = Path(__file__).resolve().parents[1]
METHODS = 250

IMPORT = "import mpipc"
GENERATED = f"import of a generated module, {METHODS} methods"
FIRST_CALL = "first call after connect"

_IMPORT = """
import time
start = time.perf_counter()
import mpipc
print(time.perf_counter() - start)
"""
_GENERATED = """
import time
import large.declared, mpipc.capnp.runtime
start = time.perf_counter()
import large.generated.declared
print(time.perf_counter() - start)
"""
_FIRST_CALL = """
import sys, time
import mpipc
from benchmarks.interfaces.bench import Bench
with mpipc.connect(f"unix:{sys.argv[1]}", Bench) as bench:
    start = time.perf_counter()
    bench.get_block_hash(1)
    print(time.perf_counter() - start)
"""


def measure_starts(count: int) -> dict[str, list[float]]:
    """Milliseconds of each of so many interpreters, by what they did."""
    found: dict[str, list[float]] = {IMPORT: [], GENERATED: [], FIRST_CALL: []}
    with tempfile.TemporaryDirectory(prefix="mpipc-bench-") as directory:
        _build_large(Path(directory))
        address = str(Path(directory, "socket"))
        with Running("with_mpipc", Client(address)):
            # One more than asked for: the first writes the compiled modules and does not count.
            for number in range(count + 1):
                for name, program in (
                    (IMPORT, _IMPORT),
                    (GENERATED, _GENERATED),
                    (FIRST_CALL, _FIRST_CALL),
                ):
                    seconds = float(_run(directory, "-c", program, address))
                    if number:
                        found[name].append(seconds * 1e3)
    return found


def _build_large(directory: Path) -> None:
    """An interface of many methods, and what is generated from it."""
    package = directory / "large"
    package.mkdir()
    (package / "__init__.py").write_text("")
    lines = [
        "from abc import ABC, abstractmethod", "import mpipc", "from mpipc import Int32", "",
        "@mpipc.interface(root=True)", "class Large(ABC):",
    ]  # fmt: skip
    for number in range(METHODS):
        lines += [
            "    @abstractmethod",
            f"    def method_{number}(self, height: Int32, name: str) -> list[bytes]: ...",
        ]
    (package / "declared.py").write_text("\n".join(lines) + "\n")
    _run(str(directory), "-m", "mpipc", "build", "large")


def _run(directory: str, *arguments: str) -> str:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([directory, str(_ROOT)]))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=directory, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout
