"""Imports a module that does not exist."""

import tests.declarations.nowhere  # type: ignore # noqa: F401
