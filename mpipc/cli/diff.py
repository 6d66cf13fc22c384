"""`mpipc diff OLD NEW`: what breaks between two packages, schema files or git revisions."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mpipc.evolution.report import Report, report
from mpipc.evolution.versions import find_version


def diff(old: str, new: str) -> Report:
    """Compare two versions, named as `find_version` takes them. Raises Unknown, SchemaError."""
    with tempfile.TemporaryDirectory(prefix="mpipc-") as directory:
        return report(
            find_version(old, Path(directory, "old")), find_version(new, Path(directory, "new"))
        )
