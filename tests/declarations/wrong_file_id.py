"""A file id that is no number."""

import mpipc

__schema__ = mpipc.SchemaFile(id="0xA1B2C3D4E5F60718")  # type: ignore[arg-type]
