"""The cookie file: a password that whoever may read the file knows."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from pathlib import Path

USER = "__cookie__"


class Cookie:
    """A new password in a file that only this user can read, until `remove`. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = f"{USER}:{secrets.token_hex(32)}"
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "w") as file:
            file.write(self._text)
        os.replace(temporary, path)

    def allows(self, authorization: str | None) -> bool:
        """Whether this is the Authorization header of somebody who knows the password."""
        expected = "Basic " + base64.b64encode(self._text.encode()).decode()
        given = (authorization or "").encode("latin-1", "replace")
        return hmac.compare_digest(given, expected.encode())

    def remove(self) -> None:
        """Remove the file, unless it is another server's by now."""
        try:
            if self.path.read_text() == self._text:
                self.path.unlink()
        except (OSError, UnicodeDecodeError):
            pass
