"""The contestants, in the order of the table: modules, each with `serve` and a class `Client`."""

MODULES = (
    "with_mpipc",
    "with_aio",
    "with_pycapnp",
    "with_managers",
    "with_rpyc",
    "with_pyro5",
    "with_socket",
)
