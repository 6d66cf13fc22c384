"""Serving `Introspection` beside the interface of a root object, to who may look.

The root object answers to the methods of both interfaces: they are told apart by the interfaces'
ids, and neither knows of the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from mpipc.capnp.proxy import Local, Server, ServerMethod
from mpipc.generate.load import generated_for
from mpipc.introspection.api import Introspection, Snapshot
from mpipc.ipc.peers import Peer
from mpipc.observe import metrics


class _Here(Introspection):
    def snapshot(self) -> Snapshot:
        return metrics.snapshot()


def introspective(root_for: Callable[[Peer], Local]) -> Callable[[Peer], Local]:
    """As `root_for`, which gives a client its root object; but clients of our own user, as the
    kernel says, can also ask that object what goes on here."""
    metrics.enable()
    added = {
        key: _for(method, _Here())
        for key, method in generated_for(Introspection).server.methods.items()
    }
    # By the id of a server, which is kept for that.
    made: dict[int, tuple[Server, Server]] = {}

    def root(peer: Peer) -> Local:
        found = root_for(peer)
        if peer.uid != os.getuid():
            return found
        server = found.server
        if id(server) not in made:
            both = msgspec.structs.replace(server, methods={**added, **server.methods})
            made[id(server)] = server, both
        return Local(found.impl, made[id(server)][1])

    return root


def _for(method: ServerMethod, here: Introspection) -> ServerMethod:
    """A method that is run on `here`, whichever object is called, and is not counted."""
    run = method.run
    if run is None:
        return method
    return msgspec.structs.replace(
        method, kind="introspection", run=lambda _impl, *message: run(here, *message)
    )
