"""Model + layouts -> Python source of clients and servers; and finding it at run time."""

from __future__ import annotations

from mpipc.generate.module import module_source

__all__ = ["module_source"]
