"""How the commands print what they found."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from mpipc.cli.json_lines import print_json
from mpipc.evolution.describe import DescribedModule, as_tree
from mpipc.evolution.report import Report, as_annotations, as_text, wants_colour
from mpipc.evolution.versions import Unknown


def show_reports(make: Callable[[], Sequence[Report]], arguments: Namespace) -> int:
    """Print reports in the form that was asked for, and return the exit status: 1 when something
    breaks or is out of date, 2 when there is nothing of a name that was given."""
    try:
        reports = make()
    except Unknown as error:
        print(f"mpipc: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print_json(reports, indent=True)
    elif arguments.github:
        for report in reports:
            print("\n".join(as_annotations(report)))
    else:
        colour = wants_colour(sys.stdout)
        print("\n\n".join("\n".join(as_text(report, colour=colour)) for report in reports))
    return 0 if all(report.ok for report in reports) else 1


def show_description(modules: Sequence[DescribedModule], arguments: Namespace) -> int:
    """Print what packages declare, as a tree or as JSON."""
    if arguments.json:
        print_json(modules, indent=True)
    else:
        print("\n\n".join("\n".join(as_tree(module)) for module in modules))
    return 0
