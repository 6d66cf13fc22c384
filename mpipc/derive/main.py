"""The name by which other programs import the module that is `__main__` in this one."""

from __future__ import annotations

import sys
from pathlib import Path

_MAIN = ("__main__", "__mp_main__")
"""What the program's module is called, and in children that multiprocessing spawns."""


def imported_name(module: str) -> str | None:
    """The module's name in programs that import it; None where that cannot be told: for a script
    in a package. What somebody types into an interpreter stays `__main__`."""
    if module not in _MAIN:
        return module
    main = sys.modules[module]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return str(spec.name)  # python -m NAME
    path = getattr(main, "__file__", None) or "<stdin>"
    if path.startswith("<"):
        return "__main__"
    file = Path(path)
    alone = file.stem != "__main__" and not (file.parent / "__init__.py").exists()
    return file.stem if alone and file.stem.isidentifier() else None
