"""`mpipc check PACKAGE`: what is out of date, and what breaks programs built from the schema that
was committed."""

from __future__ import annotations

from mpipc.cli.build import make_plan
from mpipc.evolution.places import shown
from mpipc.evolution.report import Report, report
from mpipc.evolution.versions import built, declared, in_revision
from mpipc.temporary import Temporary


def check(package: str, against: str | None = None) -> Report:
    """Compare what a package declares with its committed schemas, or with those that it had in
    the git revision `against`.

    Raises SchemaError for declarations without a schema and for schemas that do not compile,
    Unknown for a revision that is not there.
    """
    plan = make_plan(package)
    with Temporary("check") as scratch:
        if against is None:
            old = built(shown(plan.target), plan.target.glob("*.capnp"))
        else:
            # A package that was not there yet has nobody to break.
            old = in_revision(against, package, scratch / "old") or built(against, [])
        names = [module.name for module in plan.modules]
        new = declared(package, plan.model, names, scratch / "new")
        return report(old, new, map(shown, plan.outdated))
