"""The interface that the benchmarks measure."""
