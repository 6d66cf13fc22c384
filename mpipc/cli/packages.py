"""How somebody names a package on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

from mpipc.cli.usage import Usage


def package_name(text: str) -> str:
    """The name of a package as in `import`, for that name or for the package's directory, which is
    then importable. Raises Usage."""
    path = Path(text)
    if "/" not in text or not path.is_dir():
        if "/" in text:
            raise Usage(f"{text}: there is no such directory; packages are named as in `import`")
        return text
    directory = path.resolve()
    top = directory.parent
    while (top / "__init__.py").exists():
        top = top.parent
    if str(top) not in sys.path:
        sys.path.insert(0, str(top))
    return ".".join(directory.relative_to(top).parts)
