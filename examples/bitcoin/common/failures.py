"""Errors that are the user's to solve: a program that meets one prints it and ends."""

from __future__ import annotations


class Failure(Exception):
    """Why a program cannot go on; the text is for the user."""
