"""What a server can tell of itself: `api.py` is the interface, which `mpipc top` calls."""
