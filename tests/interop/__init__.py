"""mpipc against pycapnp's own RPC, each end in both roles.

`declarations` is what the mpipc side implements or calls; the pycapnp side (`client`, `server`,
run as child processes) knows only the schema that is derived from it.
"""
