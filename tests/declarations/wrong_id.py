"""A file id without its top bit."""

import mpipc

__schema__ = mpipc.SchemaFile(id=0x1234)
