"""`mpipc diff OLD NEW`: what breaks between two packages, schema files or git revisions."""

from __future__ import annotations

from mpipc.evolution.report import Report, report
from mpipc.evolution.versions import find_version
from mpipc.temporary import Temporary


def diff(old: str, new: str) -> Report:
    """Compare two versions, named as `find_version` takes them. Raises Unknown, SchemaError."""
    with Temporary("diff") as directory:
        return report(find_version(old, directory / "old"), find_version(new, directory / "new"))
