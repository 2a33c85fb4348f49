"""The machine: where to compute, how much fits into memory, and the team of processes that shares the work."""
