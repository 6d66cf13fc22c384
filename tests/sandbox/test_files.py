"""What a program in a sandbox can do with files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import mpipc
from tests.runtime.support import eventually
from tests.sandbox.prisoner import Prisoner

Imprisoned = Callable[..., Prisoner]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("secret")
    return path


class TestOutside:
    def test_nothing_is_read(self, prisoner: Prisoner, secret: Path) -> None:
        for path in (secret, "/etc/passwd", "/root/.bashrc", "/proc/self/environ"):
            assert prisoner.run(f"open({str(path)!r})") == "PermissionError", path
        assert prisoner.run(f"import os; os.listdir({str(secret.parent)!r})") == "PermissionError"

    def test_nothing_is_written(self, prisoner: Prisoner, secret: Path) -> None:
        for code in (
            f"open({str(secret)!r}, 'w')",
            f"open({str(secret)!r}, 'a')",
            f"os.truncate({str(secret)!r}, 0)",
            f"os.unlink({str(secret)!r})",
            f"os.rename({str(secret)!r}, os.environ['TMPDIR'] + '/x')",
            f"os.link({str(secret)!r}, os.environ['TMPDIR'] + '/x')",
            f"os.mkdir({str(secret.parent / 'new')!r})",
            f"os.mkfifo({str(secret.parent / 'new')!r})",
            f"os.symlink('/', {str(secret.parent / 'new')!r})",
        ):
            assert prisoner.run(f"import os; {code}") in ("PermissionError", "OSError"), code
        assert secret.read_text() == "secret"
        assert os.listdir(secret.parent) == ["secret"]

    def test_not_even_what_files_look_like(self, prisoner: Prisoner, secret: Path) -> None:
        before = secret.stat()
        for code in (
            "os.chmod(path, 0o777)",
            "os.chown(path, 1, 1)",
            "os.utime(path, (1, 1))",
            "os.setxattr(path, 'user.x', b'x')",
        ):
            text = f"import os; path = {str(secret)!r}; {code}"
            assert prisoner.run(text) == "PermissionError", code
        after = secret.stat()
        assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (
            before.st_mode, before.st_uid, before.st_mtime_ns
        )  # fmt: skip

    def test_a_link_leads_nowhere(self, prisoner: Prisoner, secret: Path) -> None:
        code = f"import os; os.symlink({str(secret)!r}, 'l'); open('l')"
        assert prisoner.run(f"import os; os.chdir(os.environ['TMPDIR']); {code}") == (
            "PermissionError"
        )

    def test_neither_code_nor_libraries_are_written(self, prisoner: Prisoner) -> None:
        for module in ("os", "mpipc", "msgspec", "tests.sandbox.prisoner"):
            code = f"import {module}, sys; open(sys.modules[{module!r}].__file__, 'a')"
            assert prisoner.run(code) == "PermissionError"


class TestGranted:
    def test_readable_is_read_alone(self, imprisoned: Imprisoned, secret: Path) -> None:
        prisoner = imprisoned(readable=[secret])
        assert prisoner.run(f"result = open({str(secret)!r}).read()") == "secret"
        assert prisoner.run(f"open({str(secret)!r}, 'a')") == "PermissionError"
        assert prisoner.run(f"import os; os.truncate({str(secret)!r}, 0)") == "PermissionError"

    def test_writable_is_written(self, imprisoned: Imprisoned, tmp_path: Path) -> None:
        prisoner = imprisoned(writable=[tmp_path])
        code = """
import os
os.makedirs("a/b")
open("a/b/c", "w").write("hello")
os.rename("a/b/c", "a/c")
os.truncate("a/c", 4)
os.rmdir("a/b")
result = open("a/c").read()
"""
        assert prisoner.run(f"import os; os.chdir({str(tmp_path)!r}){code}") == "hell"
        assert (tmp_path / "a/c").read_text() == "hell"

    def test_writable_programs_are_not_run(self, imprisoned: Imprisoned, tmp_path: Path) -> None:
        program = tmp_path / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o700)
        prisoner = imprisoned(writable=[tmp_path])
        assert prisoner.run(f"import os; os.execv({str(program)!r}, ['x'])") == "PermissionError"
        # Nor one in memory.
        assert prisoner.run("import os; os.memfd_create('x')") == "PermissionError"

    def test_no_devices_are_made(self, imprisoned: Imprisoned, tmp_path: Path) -> None:
        prisoner = imprisoned(writable=[tmp_path])
        mode = stat.S_IFCHR | 0o600
        code = f"import os; os.mknod({str(tmp_path / 'd')!r}, {mode}, os.makedev(1, 1))"
        assert prisoner.run(code) == "PermissionError"

    def test_a_directory_of_its_own_is_removed_at_the_end(self, imprisoned: Imprisoned) -> None:
        prisoner = imprisoned()
        code = "import tempfile; f = tempfile.NamedTemporaryFile(delete=False); result = f.name"
        path = Path(prisoner.run(code))
        assert path.exists() and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        mpipc.close(prisoner)
        eventually(lambda: not path.parent.exists())
