"""One header where several are expected."""

import mpipc

__schema__ = mpipc.SchemaFile(include="demo.h")
