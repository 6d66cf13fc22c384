"""How types of the standard library travel: one module for each kind, registered like anybody
else's (mpipc.hooks)."""
