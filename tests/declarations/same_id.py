"""A file id that another module has already."""

import mpipc

__schema__ = mpipc.SchemaFile(id=0xC77D03DF6A41B505)
