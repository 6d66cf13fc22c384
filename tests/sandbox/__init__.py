"""`mpipc.Sandbox`: each claim, tried from inside."""
