"""Programs built on mpipc."""
