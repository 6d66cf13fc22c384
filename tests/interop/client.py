"""A pycapnp client of the mpipc service: `python -m tests.interop.client SCHEMA SOCKET SCENARIO`.

Each scenario is a public coroutine of one of the modules below, and raises where the server does
not do what it should.
"""

from __future__ import annotations

import asyncio
import sys

import capnp

from tests.interop.foreign import PATIENCE, schema
from tests.interop.scenarios import calls, endings, objects, promises

MODULES = {"calls": calls, "objects": objects, "promises": promises, "endings": endings}


async def main() -> None:
    _, _, path, module, name = sys.argv
    scenario = getattr(MODULES[module], name)
    stream = await capnp.AsyncIoStream.create_unix_connection(path)
    client = capnp.TwoPartyClient(stream)
    root = client.bootstrap().cast_as(schema.Root)
    await asyncio.wait_for(scenario(root), PATIENCE)


if __name__ == "__main__":
    asyncio.run(capnp.run(main()))
