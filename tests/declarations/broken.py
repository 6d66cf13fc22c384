"""Imports a module that does not exist."""

import tests.declarations.nowhere  # type: ignore[import-not-found] # noqa: F401
