"""`mpipc.Supervisor`, with real processes."""
