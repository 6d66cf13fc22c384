"""Why something that the user wants cannot be done; the texts are for people."""

from __future__ import annotations


class Refused(Exception):
    """It cannot be done as it was asked for."""


class NotRunning(Exception):
    """The process that would do it is not there."""
