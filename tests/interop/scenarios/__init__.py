"""What a pycapnp client does with the mpipc service, one coroutine each."""
