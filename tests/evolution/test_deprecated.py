"""`mpipc.method(deprecated=...)`: said in the schema, and warned of where the method is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.evolution.support import Package

DECLARED = """
    @mpipc.interface(root=True)
    class Chain(ABC):
        @mpipc.method(deprecated="use get_header, it's the \\"same\\"")
        @abstractmethod
        def get_block(self, height: Int32) -> str:
            \"\"\"A whole block.\"\"\"

        @mpipc.method(deprecated="nobody needs it.")
        @abstractmethod
        def ping(self) -> None: ...

        @abstractmethod
        def get_header(self, height: Int32) -> str: ...
    """

PROGRAM = """
import sys
import warnings
import mpipc
from demo.chain import Chain

class RealChain(Chain):
    def get_block(self, height): return f"block {height}"
    def get_header(self, height): return f"header {height}"
    def ping(self): pass

address = "unix:" + sys.argv[1]
with mpipc.serve(address, RealChain()), mpipc.connect(address, Chain) as chain:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(chain.get_header(1))
        print(chain.get_block(2))  # line 17
        chain.ping()
    for each in caught:
        print(each.category.__name__, each.filename, each.lineno, each.message)
"""


def test_the_schema_says_it(package: Package) -> None:
    package.write(DECLARED)
    package.build()
    lines = [line.strip() for line in package.schema().splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("getBlock"))
    assert lines[start + 1 : start + 6] == [
        "# A whole block.",
        "#",
        '# Deprecated: use get_header, it\'s the "same".',
        "",
        "ping @2 (context :Proxy.Context) -> ();",
    ]
    assert "# Deprecated: nobody needs it." in lines


def test_the_caller_is_warned(package: Package, tmp_path: Path) -> None:
    package.write(DECLARED)
    package.build()
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "program.py", str(tmp_path / "socket")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert run.stderr == ""
    program = tmp_path / "program.py"
    assert run.stdout.splitlines() == [
        "header 1",
        "block 2",
        f"DeprecationWarning {program} 17 Chain.get_block is deprecated: "
        'use get_header, it\'s the "same"',
        f"DeprecationWarning {program} 18 Chain.ping is deprecated: nobody needs it.",
    ]
