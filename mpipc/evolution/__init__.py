"""What changed between two versions of an interface, and whom it breaks.

compare(old, new)  ->  [Change(rule="method-removed", breaks=("old clients",), ...), ...]

The rules are those of https://capnproto.org/language.html ("Evolving Your Protocol"), and those of
WIRE.md where libmultiprocess has conventions of its own: flags, exceptions, contexts, `destroy`.
"""

from __future__ import annotations

from mpipc.evolution.changes import Change, Spot
from mpipc.evolution.compare import compare

__all__ = ["Change", "Spot", "compare"]
