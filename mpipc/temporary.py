"""Directories that last as long as the process that makes them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path


class Temporary:
    """A directory at `path`, which is this user's alone.

    It is locked as long as its maker lives. One without a lock was left behind by a process that
    was killed: whoever makes the next of the same `kind` removes it. In `with` it is the path, and
    is removed at the end.
    """

    def __init__(self, kind: str) -> None:
        prefix = f"mpipc-{kind}-"
        _sweep(prefix)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
            try:
                lock = _locked(self.path, fcntl.LOCK_SH)
            except (BlockingIOError, FileNotFoundError):
                continue  # another process has taken it for one that was left behind
            if self.path.exists():
                break
            os.close(lock)
        self._end = weakref.finalize(self, _remove, self.path, lock, os.getpid())

    def remove(self) -> None:
        """Remove it with all that is in it. May be called again, and by several threads. Else it is
        removed when nobody refers to this any more, or the process ends."""
        self._end()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


def _remove(path: Path, lock: int, process: int) -> None:
    if os.getpid() == process:  # not in a forked child
        shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _sweep(prefix: str) -> None:
    """Remove what others have left behind."""
    where = tempfile.gettempdir()
    try:
        names = os.listdir(where)
    except OSError:
        return  # it may be one that nobody can list
    for name in names:
        if name.startswith(prefix):
            _remove_abandoned(os.path.join(where, name))


def _remove_abandoned(path: str) -> None:
    try:
        if os.geteuid() not in (0, os.lstat(path).st_uid):
            return
        lock = _locked(path, fcntl.LOCK_EX)
    except OSError:
        return  # its maker lives; or it has just been removed; or it is no directory
    try:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _locked(path: str | os.PathLike[str], kind: int) -> int:
    """A descriptor of a directory, which is locked as long as that is open."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
