"""How somebody names a package on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

from mpipc.cli.usage import Usage


def package_name(text: str) -> str:
    """The name of a package or a module as in `import`, for that name or for its path; it is then
    importable. Raises Usage."""
    path = Path(text)
    if "/" not in text and path.suffix != ".py":
        return text
    if not path.is_dir() and not (path.suffix == ".py" and path.is_file()):
        raise Usage(f"{text}: there is no such directory or module")
    found = path.resolve()
    top = found.parent
    while (top / "__init__.py").exists():
        top = top.parent
    if str(top) not in sys.path:
        sys.path.insert(0, str(top))
    return ".".join(found.relative_to(top).with_suffix("").parts)
